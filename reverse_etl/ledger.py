"""The ledger of one sync: what the destination accepted. A DuckDB file whose lock is the sync's lock.

Keys, hashes and destination ids only, never a payload. Each batch is claimed before it is sent and its outcomes are
committed before the next one, so that a killed process leaves claims: rows of unknown state that the next run settles.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from reverse_etl.destination import Batch, Outcome
from reverse_etl.errors import LockedError
from reverse_etl.warehouse import one_row

SCHEMA = """
create table accepted (
    key varchar not null, payload_hash varchar not null, destination_id varchar, customer_id varchar,
    created_by_us boolean not null, accepted_at timestamp not null
);
create table rejected (
    key varchar not null, payload_hash varchar, operation varchar not null, error_class varchar not null,
    tries integer not null, next_attempt_at timestamp not null, rejected_at timestamp not null
);
create table claims (
    key varchar not null, payload_hash varchar, operation varchar not null, destination_id varchar, customer_id varchar,
    creates boolean not null, batch varchar not null, batch_rows integer not null, claimed_at timestamp not null,
    moved_from varchar
);
create table runs (
    run_id varchar not null, sync varchar not null, destination varchar not null, status varchar not null,
    started_at timestamp not null, finished_at timestamp,
    added bigint not null, changed bigint not null, removed bigint not null, refused bigint not null,
    left_over bigint not null,
    withheld varchar not null, calls bigint not null, seconds double not null, message varchar, flushed boolean not null
);
create table results (
    run_id varchar not null, sync varchar not null, key_hash varchar not null, customer_id varchar,
    operation varchar not null, outcome varchar not null, error_class varchar, recorded_at timestamp not null
);
create table batches (number bigint not null);
insert into batches values (0);
"""

SUPERSEDED = ""
"""In place of a payload's hash: the person has another record under another key, this one is to be taken back."""

FIRST_BACKOFF = timedelta(minutes=15)
LONGEST_BACKOFF = timedelta(hours=24)

_OUTCOMES = pa.schema(
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
    ]
)

_held: set[Path] = set()
_held_guard = threading.Lock()


@contextlib.contextmanager
def _hold(path: Path) -> Iterator[None]:
    # DuckDB's file lock keeps other processes out, but connections of one process share the file
    with _held_guard:
        if path in _held:
            raise LockedError(f"{path.stem} is being synced or planned by this process already")
        _held.add(path)
    try:
        yield
    finally:
        with _held_guard:
            _held.discard(path)


@contextlib.contextmanager
def open_ledger(path: Path, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the ledger's tables in its main database, locked against other runs of the sync.

    To plan (`write=False`) a ledger that does not exist yet is an empty one in memory. Raises LockedError.
    """
    with _hold(path):
        if write and not path.exists():
            _create(path)
        try:
            connection = duckdb.connect(str(path), read_only=not write) if path.exists() else duckdb.connect(":memory:")
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            raise LockedError(f"{path.stem} is being synced by another process; its ledger {path} is locked") from None
        try:
            # payloads pass through this connection: they must not be spilled to disk
            connection.execute("set temp_directory = ''")
            if not path.exists():
                connection.execute(SCHEMA)
            yield connection
        finally:
            connection.close()


def _create(path: Path) -> None:
    """Make the file whole or not at all: a DuckDB file that was half made when the process died cannot be opened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(draft)) as connection:
        connection.execute(SCHEMA)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


@dataclass
class Tally:
    """What became of the rows of a run."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: int = 0


class Ledger:
    """The writing side, used by one run at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, run_id: str, sync: str) -> None:
        self._connection = connection
        self._run_id = run_id
        self._sync = sync

    def next_batch_number(self) -> int:
        """A number that no batch had before."""
        (number,) = one_row(self._connection, "update batches set number = number + 1 returning number")
        return int(number)

    def claim(self, batch: Batch) -> None:
        """Say, durably, that these rows are about to be sent.

        A row whose fate is unknown stays claimed since the first call for it: who looks for it has to look back so far.
        """
        now = utcnow()
        table = _table(
            {
                "key": [row.key for row in batch.rows],
                "payload_hash": [row.payload_hash for row in batch.rows],
                "destination_id": [row.destination_id for row in batch.rows],
                "customer_id": [row.customer_id for row in batch.rows],
                "creates": [row.destination_id is None or row.created_by_us for row in batch.rows],
                "moved_from": [row.moved_from for row in batch.rows],
            }
        ).append_column("since", pa.array([row.unsettled_since or now for row in batch.rows], pa.timestamp("us")))
        with self._transaction("claimed", table):
            self._connection.execute(
                """delete from claims where
                    key in (select key from claimed)
                    or key in (select moved_from from claimed where moved_from is not null)
                    or moved_from in (select moved_from from claimed where moved_from is not null)"""
            )
            self._connection.execute(
                """insert into claims
                select key, payload_hash, ?, destination_id, customer_id, creates, ?, ?, since, moved_from
                from claimed""",
                [batch.operation, batch.id, len(batch.rows)],
            )

    def release(self, keys: Sequence[str]) -> None:
        """Drop the claims of rows that are known not to have been taken."""
        with self._transaction("released", _table({"key": list(keys)})):
            self._connection.execute("delete from claims where key in (select key from released)")

    def commit(self, batch: Batch, outcomes: Sequence[Outcome]) -> Tally:
        """Write what the destination said to rows of the batch, in one transaction."""
        by_key = {row.key: row for row in batch.rows}
        rows = [by_key[outcome.key] for outcome in outcomes]
        operation = batch.operation
        now = utcnow()
        table = pa.table(
            [
                [row.key for row in rows],
                [row.payload_hash for row in rows],
                [operation] * len(rows),
                [outcome.destination_id or row.destination_id for row, outcome in zip(rows, outcomes, strict=True)],
                [row.customer_id for row in rows],
                [row.created_by_us for row in rows],
                [row.moved_from for row in rows],
                [row.supersedes for row in rows],
                [outcome.status == "accepted" for outcome in outcomes],
                [outcome.error_class for outcome in outcomes],
            ],
            schema=_OUTCOMES,
        )
        run = self._connection.execute
        with self._transaction("outcomes", table):
            # a claim of the old key names the record that has the new key now
            run(
                """delete from claims where key in (
                    select key from outcomes
                    union all
                    select moved_from from outcomes where accepted and moved_from is not null
                )"""
            )
            run(
                """delete from accepted
                where key in (select unnest([key, moved_from]) from outcomes where accepted)"""
            )
            run(
                """insert into accepted
                select key, payload_hash, destination_id, customer_id, created_by_us, ?
                from outcomes where accepted and operation <> 'remove'""",
                [now],
            )
            run(
                "update accepted set payload_hash = ? where key in (select supersedes from outcomes where accepted)",
                [SUPERSEDED],
            )
            run(
                """create or replace temp table refused as
                select
                    outcomes.key, outcomes.payload_hash, outcomes.operation, outcomes.error_class,
                    1 + coalesce(rejected.tries, 0) as tries
                from outcomes
                left join rejected
                    on outcomes.key = rejected.key
                    and outcomes.operation = rejected.operation
                    and outcomes.payload_hash is not distinct from rejected.payload_hash
                where not outcomes.accepted"""
            )
            run("delete from rejected where key in (select key from outcomes)")
            run(
                """insert into rejected
                select
                    key, payload_hash, operation, error_class, tries,
                    $now + to_seconds(least($first * power(2, least(tries - 1, 16)), $longest)), $now
                from refused""",
                {"now": now, "first": FIRST_BACKOFF.total_seconds(), "longest": LONGEST_BACKOFF.total_seconds()},
            )
            run(
                """insert into results
                select
                    ?, ?, sha256(key), customer_id, operation,
                    case when accepted then 'accepted' else 'rejected' end, error_class, ?
                from outcomes""",
                [self._run_id, self._sync, now],
            )
            accepted = sum(outcome.status == "accepted" for outcome in outcomes)
            tally = Tally(
                added=accepted if operation == "add" else 0,
                changed=accepted if operation == "change" else 0,
                removed=accepted if operation == "remove" else 0,
                refused=len(outcomes) - accepted,
            )
            run(
                """update runs set
                    added = added + ?, changed = changed + ?, removed = removed + ?, refused = refused + ?
                where run_id = ?""",
                [tally.added, tally.changed, tally.removed, tally.refused, self._run_id],
            )
        return tally

    def tidy(self) -> None:
        """Carry over what the difference found out without sending anything.

        The rows of the temporary table `adopted` belong to another customer_id now; refused rows that nobody wants any
        more wait for nothing; a run that never finished was interrupted.
        """
        self._connection.execute(
            "update accepted set customer_id = adopted.customer_id from adopted where accepted.key = adopted.key"
        )
        self._connection.execute("delete from rejected where key not in (select key from wanting)")
        self._connection.execute("update runs set status = 'interrupted' where status = 'running'")

    def start(self, destination: str, withheld: str) -> None:
        """Open the run's row."""
        self._connection.execute(
            "insert into runs values (?, ?, ?, 'running', ?, null, 0, 0, 0, 0, 0, ?, 0, 0, null, false)",
            [self._run_id, self._sync, destination, utcnow(), withheld],
        )

    def finish(self, status: str, left: int, calls: int, seconds: float, message: str | None) -> None:
        """Close the run's row."""
        self._connection.execute(
            """update runs set
                status = ?, finished_at = ?, left_over = ?, calls = ?, seconds = ?, message = ?
            where run_id = ?""",
            [status, utcnow(), left, calls, seconds, message, self._run_id],
        )

    @contextlib.contextmanager
    def _transaction(self, view: str, table: pa.Table) -> Iterator[None]:
        self._connection.register(view, table)
        try:
            self._connection.execute("begin")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        finally:
            self._connection.unregister(view)


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    booleans = {"creates"}
    return pa.table(
        {name: pa.array(values, pa.bool_() if name in booleans else pa.string()) for name, values in columns.items()}
    )


def utcnow() -> datetime:
    """Now, in UTC, as the ledger's timestamps have it: without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
