"""Before anything is prepared to leave the house: is each segment made of customers, and not of everyone at once?"""

from typing import TYPE_CHECKING

import duckdb

from expectations.customers import accepts_change
from expectations.suites import Baseline, Suite, expect
from kinship.manifest import load_manifest

if TYPE_CHECKING:
    import pandas as pd

MAX_SHARE = 0.9  # of all customers in one segment: more is a broken condition, not an audience
MIN_CUSTOMERS = 20  # below this, shares say nothing
MAX_FALL = 0.8
MIN_MEMBERS = 50  # a segment smaller than this may empty itself on an ordinary day


def segment_names() -> list[str]:
    """The segments, by file: every model of the folder but the history of memberships."""
    return sorted(
        node["name"]
        for node in load_manifest()["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "segments" and node["name"] != "segment_memberships"
    )


def segments(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row per segment: members, members who are no customer, and the share of all customers."""
    parts = [
        f"""
        select
            'segments.{name}' as asset,
            count(*)::bigint as members,
            (count(*) - count(distinct customer_id))::bigint as missing_or_double,
            (count(*) filter (where customer_id is null or customer_id not in (from known)))::bigint as orphans
        from segments."{name}"
        """  # noqa: S608
        for name in segment_names()
    ]
    frame = (
        connection.sql(
            f"""
        with known as (select customer_id from customers.customers)
        select *, case when people.n < {MIN_CUSTOMERS} then 0 else members / people.n end as share_of_customers
        from ({" union all ".join(parts)}), (select count(*) as n from known) as people order by asset
        """  # noqa: S608
        )
        .df()
        .drop(columns="n")
    )
    frame["fell"] = [
        not accepts_change()
        and baseline.get(asset, {}).get("members", 0) >= MIN_MEMBERS
        and members < (1 - MAX_FALL) * baseline.get(asset, {}).get("members", 0)
        for asset, members in zip(frame["asset"], frame["members"], strict=True)
    ]
    return frame


EXPECTATIONS = (
    # What must hold for every segment.
    expect("values_to_be_in_set", "missing_or_double", "every member is there once", critical=True, value_set=[0]),
    expect("values_to_be_in_set", "orphans", "every member is a customer", critical=True, value_set=[0]),
    expect(
        "values_to_be_between",
        "share_of_customers",
        f"at most {MAX_SHARE:.0%} of all customers are in it",
        critical=True,
        max_value=MAX_SHARE,
    ),
    expect(
        "values_to_be_in_set",
        "fell",
        f"it has not lost {MAX_FALL:.0%} of its members since the last good build",
        critical=True,
        value_set=[False],
    ),
    expect("values_to_be_between", "members", "it has members", min_value=1),
)


SUITES = [Suite("segments", segments, EXPECTATIONS)]
