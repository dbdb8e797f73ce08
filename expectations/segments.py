"""Before anything is prepared to leave the house: is each segment made of customers, and not of everyone at once?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from expectations.customers import accepts_change
from expectations.suites import Baseline, Suite
from kinship.manifest import load_manifest

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

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
            (count(*) filter (where customer_id is null or customer_id not in (select customer_id from customers.customers)))::bigint as orphans
        from segments."{name}"
        """  # noqa: S608
        for name in segment_names()
    ]
    frame = (
        connection.sql(
            f"""
        select *, case when people.n < {MIN_CUSTOMERS} then 0 else members / people.n end as share_of_customers
        from ({" union all ".join(parts)}), (select count(*) as n from customers.customers) as people order by asset
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


def expectations() -> "Sequence[Expectation]":
    """What must hold for every segment."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="missing_or_double",
            value_set=[0],
            severity="critical",
            description="every member is there once",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="orphans", value_set=[0], severity="critical", description="every member is a customer"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share_of_customers",
            max_value=MAX_SHARE,
            severity="critical",
            description=f"at most {MAX_SHARE:.0%} of all customers are in it",
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="fell",
            value_set=[False],
            severity="critical",
            description=f"it has not lost {MAX_FALL:.0%} of its members since the last good build",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="members", min_value=1, severity="warning", description="it has members"
        ),
    ]


SUITES = [Suite("segments", segments, expectations)]
