"""What the destination said to the rows of a batch, on its way into the ledger's tables."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from reverse_etl.backoff import wait
from reverse_etl.destination import Batch, Operation, Outcome

SUPERSEDED = ""
"""In place of a payload's hash: the person has another record under another key, this one is to be taken back."""

_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("payload_hash", pa.string()),
        ("operation", pa.string()),
        ("destination_id", pa.string()),
        ("customer_id", pa.string()),
        ("created_by_us", pa.bool_()),
        ("moved_from", pa.string()),
        ("supersedes", pa.string()),
        ("accepted", pa.bool_()),
        ("error_class", pa.string()),
        ("keeps_claim", pa.bool_()),
    ]
)


@dataclass
class Tally:
    """What became of rows."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: int = 0
    erased: int = 0
    opted_out: int = 0
    """People among the refused of whom we learn that they unsubscribed over there."""

    @property
    def accepted(self) -> int:
        return self.added + self.changed + self.removed + self.erased

    @property
    def rows(self) -> int:
        return self.accepted + self.refused


def tally(operation: Operation, outcomes: Sequence[Outcome]) -> Tally:
    """The outcomes, counted."""
    accepted = sum(outcome.status == "accepted" for outcome in outcomes)
    return Tally(
        added=accepted if operation is Operation.ADD else 0,
        changed=accepted if operation is Operation.CHANGE else 0,
        removed=accepted if operation is Operation.REMOVE else 0,
        erased=accepted if operation is Operation.ERASE else 0,
        refused=len(outcomes) - accepted,
    )


def outcome_table(batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str]) -> pa.Table:
    """The table `outcomes` that the functions below read. A refused row whose key is in `uncertain` keeps its claim."""
    by_key = {row.key: row for row in batch.rows}
    rows = [by_key[outcome.key] for outcome in outcomes]
    return pa.table(
        [
            [row.key for row in rows],
            [row.payload_hash for row in rows],
            [batch.operation] * len(rows),
            [outcome.destination_id or row.destination_id for row, outcome in zip(rows, outcomes, strict=True)],
            [row.customer_id for row in rows],
            [row.created_by_us for row in rows],
            [row.moved_from for row in rows],
            [row.supersedes for row in rows],
            [outcome.status == "accepted" for outcome in outcomes],
            [outcome.error_class for outcome in outcomes],
            [outcome.status != "accepted" and outcome.key in uncertain for outcome in outcomes],
        ],
        schema=_SCHEMA,
    )


def accept(connection: duckdb.DuckDBPyConnection, operation: Operation, now: datetime, *, is_new: bool) -> None:
    """Bring `accepted` up to what the destination said yes to; `is_new`: none of the keys is there yet."""
    run = connection.execute
    if not is_new:
        run("delete from accepted where key in (select unnest([key, moved_from]) from outcomes where accepted)")
    if operation in (Operation.ADD, Operation.CHANGE):
        run(
            """insert into accepted by name
            select key, payload_hash, destination_id, customer_id, created_by_us, ? as accepted_at
            from outcomes where accepted""",
            [now],
        )
    if operation is Operation.CHANGE:
        run(
            "update accepted set payload_hash = ? where key in (select supersedes from outcomes where accepted)",
            [SUPERSEDED],
        )


def follow_merges(connection: duckdb.DuckDBPyConnection, batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """A merge may give the record that stays another id; it is ours when all its parts were."""
    by_key = {row.key: row for row in batch.rows if row.merge_into is not None}
    for outcome in outcomes:
        if outcome.key in by_key and outcome.status == "accepted" and outcome.destination_id is not None:
            row = by_key[outcome.key]
            connection.execute(
                """update accepted set destination_id = $stays, created_by_us = created_by_us and $ours
                where destination_id in ($stays, $into)""",
                {"stays": outcome.destination_id, "into": row.merge_into, "ours": row.created_by_us},
            )


def refuse(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Put refused rows down in `rejected`, each with the time of its next attempt."""
    run = connection.execute
    refused = run(
        """select
            outcomes.key, outcomes.payload_hash, outcomes.operation, outcomes.error_class,
            1 + coalesce(rejected.tries, 0) as tries
        from outcomes
        left join rejected
            on outcomes.key = rejected.key
            and outcomes.operation = rejected.operation
            and outcomes.payload_hash is not distinct from rejected.payload_hash
        where not outcomes.accepted"""
    ).fetchall()
    run("delete from rejected where key in (select key from outcomes where not accepted)")
    run(
        "insert into rejected (key, payload_hash, operation, error_class, tries, next_attempt_at, rejected_at)"
        " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), $7",
        [
            *(list(column) for column in zip(*refused, strict=True)),
            [now + wait(error_class, tries) for *_, error_class, tries in refused],
            now,
        ],
    )
