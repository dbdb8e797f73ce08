"""Before anything is prepared to leave the house: is each segment made of customers, and not of everyone at once?"""

from typing import TYPE_CHECKING

import duckdb

from expectations.customers import accepts_change
from expectations.suites import Baseline, Suite, expect
from kinship.manifest import load_manifest
from kinship.segments.header import headers

if TYPE_CHECKING:
    import pandas as pd

MAX_SHARE = 0.9  # of all customers in one segment: more is a broken condition, not an audience
MIN_CUSTOMERS = 20  # below this, shares say nothing

# How much a segment may change from one good build to the next, unless its header says so (`Largest change: 0.5`).
MAX_FALL = 0.8  # the share of its members it may lose
MAX_GROWTH = 3.0  # the share it may gain: to four times as many
MIN_MEMBERS = 50  # a segment smaller than this may empty itself, or fill itself to this, on an ordinary day


def change_too_large(before: float | None, after: int, largest_change: float | None) -> bool:
    """Whether a segment lost or gained more than it may since the last good build; one that is new has not changed."""
    if before is None:
        return False
    if largest_change is None:
        fell = before >= MIN_MEMBERS and after < (1 - MAX_FALL) * before
        return fell or after > (1 + MAX_GROWTH) * max(before, MIN_MEMBERS)
    return abs(after - before) > largest_change * before and max(before, after) >= MIN_CUSTOMERS


def segments(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row per segment: members, members who are no customer, the share of all customers, and the change."""
    found = {f"segments.{one.name}": one for one in headers(load_manifest())}
    parts = [
        f"""
        select
            '{asset}' as asset,
            count(*)::bigint as members,
            (count(*) - count(distinct customer_id))::bigint as missing_or_double,
            (count(*) filter (where customer_id is null or customer_id not in (from known)))::bigint as orphans
        from segments."{one.name}"
        """  # noqa: S608
        for asset, one in found.items()
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
    before = [baseline.get(asset, {}).get("members") for asset in frame["asset"]]
    frame["changed_too_much"] = [
        not accepts_change() and change_too_large(was, now, found[asset].largest_change)
        for asset, was, now in zip(frame["asset"], before, frame["members"], strict=True)
    ]
    frame["changed_too_much_because"] = [
        f"{was or 0:,.0f} members before, {now:,} now: see `kinship segments diff HEAD` and the data it reads;"
        " if it is right, `kinship run --accept-change`"
        for was, now in zip(before, frame["members"], strict=True)
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
        "changed_too_much",
        "its size has changed no more than it may since the last good build",
        critical=True,
        value_set=[False],
    ),
)


SUITES = [Suite("segments", segments, EXPECTATIONS)]
