"""One run of one sync: diff, guards, then removals, changes and additions, batch by batch."""

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from kinship.settings import Settings
from reverse_etl.config import Sync
from reverse_etl.delivery import Delivery, Patience
from reverse_etl.destination import Batch, Destination, Operation, Row, Target
from reverse_etl.difference import compute, payloads
from reverse_etl.errors import ConfigurationError, NotConfigured, Retryable
from reverse_etl.ledger import Ledger, Tally, open_ledger, utcnow
from reverse_etl.pace import Meter
from reverse_etl.planning import check_guards, make_plan
from reverse_etl.results import flush
from reverse_etl.warehouse import attached

Status = Literal["done", "incomplete", "not_configured"]


@dataclass
class RunResult:
    """What a run did. `refused` counts rows by error class; `left` are due rows the run did not come to."""

    sync: str
    destination: str
    status: Status = "done"
    message: str | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    left: int = 0
    calls: int = 0
    seconds: float = 0.0
    run_id: str | None = None
    """None when nothing was due and nothing had to be said."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """Told after every batch: rows with an outcome, of so many due."""

    sync: str
    done: int
    total: int


def run_sync(
    sync: Sync,
    settings: Settings,
    *,
    allow_change_share: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
) -> RunResult:
    """Send what is due.

    A destination without credentials gives the status `not_configured`; one that stops answering, `incomplete`.
    Raises GuardError before the first call, ConfigurationError (AuthenticationError among them), LockedError.
    """
    started = time.monotonic()
    result = RunResult(sync.name, sync.destination)
    ledger_path = settings.ledger / f"{sync.name}.duckdb"
    with open_ledger(ledger_path, write=True) as connection:
        with attached(connection, settings.warehouse, write=False) as catalog:
            difference = compute(connection, sync, catalog, utcnow())
            check_guards(sync, difference, allow_change_share)
            plan = make_plan(connection, sync, difference)
            due = None if plan.is_empty else payloads(connection, sync, catalog, difference.fields)
        result.unchanged, result.withheld, result.left = (
            plan.unchanged,
            plan.withheld,
            plan.adds + plan.changes + plan.removals,
        )
        withheld = json.dumps(plan.withheld, sort_keys=True)
        if due is None and withheld == _last_withheld(connection):
            Ledger(connection, "", sync.name).tidy()
            flush(connection, settings.warehouse)
            result.seconds = time.monotonic() - started
            return result
        meter = Meter(sync.limits.rates)
        destination: Destination | None = None
        if due is not None:
            try:
                destination = sync.destination_class(_target(sync, settings, difference.kinds, meter))
            except NotConfigured as reason:
                result.status, result.message, result.seconds = (
                    "not_configured",
                    str(reason),
                    time.monotonic() - started,
                )
                return result
        result.run_id = uuid.uuid4().hex
        ledger = Ledger(connection, result.run_id, sync.name)
        ledger.tidy()
        ledger.start(sync.destination, withheld)
        status: str = "failed"
        try:
            if destination is not None and due is not None:
                asyncio.run(
                    _deliver(sync, destination, ledger, connection, due, result, on_progress, patience or Patience())
                )
            status = result.status
        except ConfigurationError as error:
            result.message = str(error)
            raise
        finally:
            result.calls, result.seconds = meter.calls, time.monotonic() - started
            result.refused = dict(
                connection.execute(
                    """select error_class, count(*) from results
                    where run_id = ? and outcome = 'rejected' group by 1 order by 1""",
                    [result.run_id],
                ).fetchall()
            )
            ledger.finish(status, result.left, result.calls, result.seconds, result.message)
            flush(connection, settings.warehouse)
    return result


async def _deliver(
    sync: Sync,
    destination: Destination,
    ledger: Ledger,
    connection: duckdb.DuckDBPyConnection,
    due: pa.Table,
    result: RunResult,
    on_progress: Callable[[Progress], None] | None,
    patience: Patience,
) -> None:
    total = due.num_rows

    def on_outcomes(tally: Tally) -> None:
        result.added += tally.added
        result.changed += tally.changed
        result.removed += tally.removed
        result.left -= tally.added + tally.changed + tally.removed + tally.refused
        if on_progress is not None:
            on_progress(Progress(sync.name, total - result.left, total))

    claimed_at: dict[str, datetime] = dict(
        connection.execute("select key, claimed_at from claims where creates").fetchall()
    )
    delivery = Delivery(destination, ledger, claimed_at, on_outcomes, patience)
    try:
        await destination.prepare()
        for batch in _batches(due, sync, ledger):
            await delivery.deliver(batch)
    except Retryable as error:
        result.status = "incomplete"
        result.message = f"{sync.destination} stopped answering ({error.error_class}); the rest is sent by the next run"
    finally:
        await destination.close()


def _batches(due: pa.Table, sync: Sync, ledger: Ledger) -> Iterator[Batch]:
    """Removals, changes, additions, each in slices of one operation. A batch that was claimed whole keeps its id."""
    internal = [name for name in due.column_names if name.startswith("_")]
    for operation in (Operation.REMOVE, Operation.CHANGE, Operation.ADD):
        part = due.filter(pc.equal(due["_operation"], operation.value))
        position = 0
        limit = sync.limits.removal_rows or sync.limits.rows if operation is Operation.REMOVE else sync.limits.rows
        while position < part.num_rows:
            claimed = part["_claimed_batch"][position].as_py()
            size = min(limit, part.num_rows - position)
            if claimed is not None:
                run = part["_claimed_batch"].slice(position, part["_batch_rows"][position].as_py()).to_pylist()
                same = next((n for n, batch in enumerate(run) if batch != claimed), len(run))
                if same == part["_batch_rows"][position].as_py():
                    size = same
                else:
                    claimed = None
            piece = part.slice(position, size)
            position += size
            yield _batch(piece, internal, operation, sync, claimed, ledger)


def _batch(
    piece: pa.Table, internal: list[str], operation: Operation, sync: Sync, claimed: str | None, ledger: Ledger
) -> Batch:
    columns = [
        piece[name].to_pylist()
        for name in ("_key", "_payload_hash", "_customer_id", "_destination_id", "_created_by_us", "_moved_from")
    ]
    rows = [
        Row(key, payload_hash, customer_id, operation, destination_id, bool(created_by_us), moved_from)
        for key, payload_hash, customer_id, destination_id, created_by_us, moved_from in zip(*columns, strict=True)
    ]
    if claimed is None:
        digest = hashlib.sha256(f"{sync.name}\0{operation}".encode())
        for row in rows:
            digest.update(f"\0{row.key}\0{row.payload_hash}".encode())
        # the number keeps batches in order, and two batches of equal content apart
        claimed = f"{ledger.next_batch_number():010d}-{digest.hexdigest()[:12]}"
    fields = piece.drop_columns(internal)
    return Batch(claimed, rows, fields.combine_chunks() if operation is not Operation.REMOVE else None)


def _target(sync: Sync, settings: Settings, kinds: Mapping[str, str], meter: Meter) -> Target:
    return Target(
        sync=sync.name,
        object=sync.object,
        key=sync.key,
        mode=sync.mode,
        on_null=sync.on_null,
        fields=tuple(kinds),
        kinds=kinds,
        channel=sync.channel,
        options=sync.destination_options,
        state=settings.state,
        meter=meter,
        purpose=sync.purpose,
    )


def _last_withheld(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("select withheld from runs order by started_at desc limit 1").fetchone()
    return str(row[0]) if row else "{}"
