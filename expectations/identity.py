"""Before anything is built on people: is every record somebody's, once, and are they who they were before?"""

from typing import TYPE_CHECKING

import duckdb

from expectations.customers import accepts_change
from expectations.suites import Baseline, Suite, expect

if TYPE_CHECKING:
    import pandas as pd

ASSET = "identity.identity_health"

MAX_MOVED_SHARE = (
    0.2  # of the records: more of them at another person than in the last good build is a mistake, not news
)
MAX_CONFLICT_SHARE = 0.02  # of the people with several records
MAX_QUARANTINED_SHARE = 0.1  # of the identifiers that several records share
MIN_RECORDS = 200  # below this, shares say nothing
MIN_LARGEST = 50  # a person of fewer records is no super-cluster
MAX_GROWTH = 2.0  # of the largest person

_MEASURES = """
    with graph as (
        select count(*) as records, count(distinct (source, record_id)) as distinct_records,
            count(*) filter (where customer_id is null) as without_person, count(distinct customer_id) as people
        from identity.identity_graph
    ),
    health as (
        select max(record_count) as largest, count(*) filter (where record_count > 1) as joined,
            count(*) filter (where has_conflict) as conflicting, count(*) filter (where grade = 'D') as grade_d
        from identity.identity_health
    ),
    redirects as (
        select count(*) filter (where current_customer_id is not null
            and current_customer_id not in (select customer_id from identity.identity_graph)) as lost
        from identity.identity_redirects
    ),
    moved as (
        select
            coalesce(
                sum(record_count) filter (where old_id is not null and new_id is not null and assigned_in > ?), 0
            ) as moved, coalesce(max(assigned_in), 0) as last_batch
        from identity.int_identity__transitions
    ),
    shared as (
        select count(*) as identifiers from (
            select 1 from identity.int_identity__identifiers
            group by identifier_type, identifier_value having count(*) > 1
        )
    )
    select
        graph.records::bigint as records,
        graph.people::bigint as people,
        (graph.records - graph.distinct_records + graph.without_person)::bigint as records_not_once,
        redirects.lost::bigint as ids_lost,
        coalesce(health.largest, 0)::bigint as largest,
        coalesce(health.grade_d, 0)::bigint as grade_d,
        coalesce(health.conflicting / nullif(health.joined, 0), 0) as conflict_share,
        (select count(*) from identity.identity_quarantine)::bigint as quarantined,
        coalesce((select count(*) from identity.identity_quarantine where record_count > 1)
            / nullif(shared.identifiers, 0), 0) as quarantined_share,
        moved.moved::bigint as moved,
        moved.last_batch::bigint as last_batch
    from graph, health, redirects, moved, shared
"""


def measures(connection: duckdb.DuckDBPyConnection, baseline: Baseline) -> "pd.DataFrame":
    """One row: counts and shares of the identity graph, and how far it has drifted since the last good build."""
    before = baseline.get(ASSET, {})
    # without a build to compare with nothing has moved
    since = before.get("last_batch", 2**62)
    frame = connection.execute(_MEASURES, [since]).df()
    frame.insert(0, "asset", ASSET)
    (records,), (largest,) = frame["records"], frame["largest"]
    if records < MIN_RECORDS:
        frame[["conflict_share", "quarantined_share"]] = 0.0
    judged = records >= MIN_RECORDS and not accepts_change()
    frame["moved_share"] = frame["moved"] / records if judged else 0.0
    frame["largest_grew"] = judged and largest > MIN_LARGEST and largest > MAX_GROWTH * before.get("largest", 2**62)
    return frame


EXPECTATIONS = (
    expect("values_to_be_in_set", "records_not_once", "every record is one person's", critical=True, value_set=[0]),
    expect("values_to_be_in_set", "ids_lost", "every id ever issued finds its person", critical=True, value_set=[0]),
    expect(
        "values_to_be_between",
        "moved_share",
        f"at most {MAX_MOVED_SHARE:.0%} of the records are at another person than in the last good build",
        critical=True,
        max_value=MAX_MOVED_SHARE,
    ),
    expect(
        "values_to_be_in_set",
        "largest_grew",
        f"the largest person has not grown beyond {MAX_GROWTH:.0f} times its records of the last good build",
        critical=True,
        value_set=[False],
    ),
    expect(
        "values_to_be_between",
        "conflict_share",
        f"at most {MAX_CONFLICT_SHARE:.0%} of the people with several records have more names or birth dates than one",
        max_value=MAX_CONFLICT_SHARE,
    ),
    expect(
        "values_to_be_between",
        "quarantined_share",
        f"at most {MAX_QUARANTINED_SHARE:.0%} of the shared identifiers are in quarantine",
        max_value=MAX_QUARANTINED_SHARE,
    ),
)

SUITES = [Suite("identity", measures, EXPECTATIONS)]
