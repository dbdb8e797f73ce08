"""The last gate before data leaves: every row to be sent has a key, and only one row has it."""

from typing import TYPE_CHECKING, Any

import duckdb

from expectations.suites import Baseline, Suite, expect
from kinship.manifest import load_manifest

if TYPE_CHECKING:
    import pandas as pd

MAX_WITHOUT_KEY_SHARE = 0.5


def sync_models() -> list[dict[str, Any]]:
    """The manifest's nodes of the activation layer."""
    nodes = load_manifest()["nodes"].values()
    found = [n for n in nodes if n["resource_type"] == "model" and n["fqn"][1] == "activation"]
    return sorted(found, key=lambda node: str(node["name"]))


def syncs(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row per sync: rows prepared, rows without the key to match them by, rows that are no customer's."""
    parts = []
    for node in sync_models():
        key = node["config"]["meta"]["sync"]["key"]
        parts.append(
            f"""
            select
                '{node["schema"]}.{node["name"]}' as asset,
                count(*)::bigint as "rows",
                coalesce(avg(("{key}" is null)::int), 0) as without_key_share,
                (count("{key}") - count(distinct "{key}"))::bigint as double_keys,
                (count(*) filter (where customer_id is null or customer_id not in (from people)))::bigint as orphans
            from {node["schema"]}."{node["name"]}"
            """  # noqa: S608
        )
    return connection.sql(
        f"with people as (select customer_id from customers.customers) {' union all '.join(parts)} order by 1"  # noqa: S608
    ).df()


EXPECTATIONS = (
    # What must hold for everything that is about to be sent.
    expect("values_to_be_in_set", "orphans", "every row is a customer's", critical=True, value_set=[0]),
    expect(
        "values_to_be_in_set", "double_keys", "no two people share the key the destination knows them by", value_set=[0]
    ),
    expect(
        "values_to_be_between",
        "without_key_share",
        f"at most {MAX_WITHOUT_KEY_SHARE:.0%} of the rows have no key to match them by",
        max_value=MAX_WITHOUT_KEY_SHARE,
    ),
)


SUITES = [Suite("activation", syncs, EXPECTATIONS)]
