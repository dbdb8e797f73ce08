"""What a run tells of its rows, as tables on their way into the journal: that they are about to be sent, what the
destination said to them, and that it took none of them."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from reverse_etl.destination import Batch, Operation, Outcome

_TEXT, _TIME = pa.string(), pa.timestamp("us")

CLAIMS = pa.schema(
    [
        ("key", _TEXT),
        ("payload_hash", _TEXT),
        ("operation", _TEXT),
        ("destination_id", _TEXT),
        ("customer_id", _TEXT),
        ("creates", pa.bool_()),
        ("batch", _TEXT),
        ("batch_rows", pa.int32()),
        ("claimed_at", _TIME),
        ("moved_from", _TEXT),
    ]
)
OUTCOMES = pa.schema(
    [
        ("key", _TEXT),
        ("payload_hash", _TEXT),
        ("operation", _TEXT),
        ("destination_id", _TEXT),
        ("customer_id", _TEXT),
        ("created_by_us", pa.bool_()),
        ("moved_from", _TEXT),
        ("supersedes", _TEXT),
        ("merge_into", _TEXT),
        # the id that a merge gave to the record that stays
        ("merged_id", _TEXT),
        ("accepted", pa.bool_()),
        ("error_class", _TEXT),
        ("keeps_claim", pa.bool_()),
        ("recorded_at", _TIME),
        # of the run, up to then
        ("calls", pa.int64()),
    ]
)
RELEASED = pa.schema([("key", _TEXT)])


@dataclass
class Tally:
    """What became of rows."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: int = 0
    erased: int = 0

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


def claim_table(batch: Batch, now: datetime) -> pa.Table:
    """The rows of a batch that is about to be sent. A claim of unknown fate keeps its time."""
    rows = batch.rows
    return pa.table(
        [
            [row.key for row in rows],
            [row.payload_hash for row in rows],
            _constant(batch.operation, _TEXT, rows),
            [row.destination_id for row in rows],
            [row.customer_id for row in rows],
            [row.destination_id is None or row.created_by_us for row in rows],
            _constant(batch.id, _TEXT, rows),
            _constant(len(rows), pa.int32(), rows),
            [row.unsettled_since or now for row in rows],
            [row.moved_from for row in rows],
        ],
        schema=CLAIMS,
    )


def outcome_table(
    batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str], now: datetime, calls: int
) -> pa.Table:
    """What the destination said to rows of the batch. A refused row whose key is in `uncertain` keeps its claim: an
    earlier call may have made the record."""
    by_key = {row.key: row for row in batch.rows}
    rows = [by_key[outcome.key] for outcome in outcomes]
    pairs = list(zip(rows, outcomes, strict=True))
    return pa.table(
        [
            [row.key for row in rows],
            [row.payload_hash for row in rows],
            _constant(batch.operation, _TEXT, rows),
            [outcome.destination_id or row.destination_id for row, outcome in pairs],
            [row.customer_id for row in rows],
            [row.created_by_us for row in rows],
            [row.moved_from for row in rows],
            [row.supersedes for row in rows],
            [row.merge_into for row in rows],
            [None if row.merge_into is None else outcome.destination_id for row, outcome in pairs],
            [outcome.status == "accepted" for outcome in outcomes],
            [outcome.error_class for outcome in outcomes],
            [outcome.status != "accepted" and outcome.key in uncertain for outcome in outcomes],
            _constant(now, _TIME, rows),
            _constant(calls, pa.int64(), rows),
        ],
        schema=OUTCOMES,
    )


def released_table(keys: Sequence[str]) -> pa.Table:
    """Rows that are known not to have been taken."""
    return pa.table([list(keys)], schema=RELEASED)


def _constant(value: Any, kind: pa.DataType, rows: Sequence[object]) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), len(rows))
