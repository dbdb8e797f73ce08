"""How well a partition of records into people agrees with the truth.

Pairwise: a pair of records is right when both are one person in the truth and in the result. B-cubed (Bagga and
Baldwin, 1998): precision and recall of each record's own cluster, averaged over the records. Both come from the
contingency table of the two partitions, so that no pair is ever written down.
"""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb

_SUMS = """
    with cells as (
        select truth, found, count(*) as records from labels group by truth, found
    ),
    sized as (
        select
            records,
            sum(records) over (partition by truth) as in_truth,
            sum(records) over (partition by found) as in_found
        from cells
    ),
    clusters as (
        select found, sum(records) as records from cells group by found
    ),
    people as (
        select truth, sum(records) as records from cells group by truth
    )
    select
        (select coalesce(sum(records), 0) from cells) as records,
        (select count(*) from people) as people,
        (select count(*) from clusters) as clusters,
        (select coalesce(max(records), 0) from clusters) as largest,
        (select coalesce(sum(records * (records - 1)) / 2, 0) from cells) as pairs_right,
        (select coalesce(sum(records * (records - 1)) / 2, 0) from clusters) as pairs_found,
        (select coalesce(sum(records * (records - 1)) / 2, 0) from people) as pairs_true,
        (select coalesce(sum(records * records / in_found), 0) from sized) as bcubed_right,
        (select coalesce(sum(records * records / in_truth), 0) from sized) as bcubed_complete
"""


@dataclass(frozen=True)
class Accuracy:
    """`people` is the number of clusters in the truth, `largest` the records of the largest cluster found."""

    records: int
    people: int
    clusters: int
    largest: int
    precision: float
    recall: float
    f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def accuracy(labels: Any) -> Accuracy:
    """Compare two partitions: `labels` has one row per record with the columns `truth` and `found`.

    `labels` is an Arrow table or a DuckDB relation; the two columns are names of clusters, of any types. Without a
    pair in the result precision is 1, without a pair in the truth recall is 1.
    Raises ValueError when a record has no cluster on one side: a record that was not resolved is a cluster of its own,
    and whoever compares says so.
    """
    connection = duckdb.connect()
    # a relation belongs to its own connection, an Arrow table to none
    table = labels.select("truth, found").to_arrow_table() if isinstance(labels, duckdb.DuckDBPyRelation) else labels
    connection.register("labels", table)
    (missing,) = connection.execute("select count(*) from labels where truth is null or found is null").fetchall()[0]
    if missing:
        raise ValueError(f"{missing:,} records have no cluster in the truth or in the result")
    row = connection.execute(_SUMS).fetchone()
    assert row is not None
    records, people, clusters, largest, right, found, true, bcubed_right, bcubed_complete = row
    precision = right / found if found else 1.0
    recall = right / true if true else 1.0
    bcubed_precision = bcubed_right / int(records) if records else 1.0
    bcubed_recall = bcubed_complete / int(records) if records else 1.0
    return Accuracy(
        int(records), int(people), int(clusters), int(largest), precision, recall, _harmonic(precision, recall),
        bcubed_precision, bcubed_recall, _harmonic(bcubed_precision, bcubed_recall),
    )  # fmt: skip


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
