"""The ledger's file: its tables, its lock, and how an older one, or one whose run died, is brought up to date."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from reverse_etl.errors import LockedError
from reverse_etl.folding import fold
from reverse_etl.journal import left_over
from reverse_etl.warehouse import one_row

VERSION = 3

SCHEMA = """
create table if not exists accepted (
    key varchar not null, payload_hash varchar not null, destination_id varchar, customer_id varchar,
    created_by_us boolean not null, accepted_at timestamp not null
);
create table if not exists rejected (
    key varchar not null, payload_hash varchar, operation varchar not null, error_class varchar not null,
    tries integer not null, next_attempt_at timestamp not null, rejected_at timestamp not null
);
create table if not exists claims (
    key varchar not null, payload_hash varchar, operation varchar not null, destination_id varchar, customer_id varchar,
    creates boolean not null, batch varchar not null, batch_rows integer not null, claimed_at timestamp not null,
    moved_from varchar
);
create table if not exists runs (
    run_id varchar not null, sync varchar not null, destination varchar not null, status varchar not null,
    started_at timestamp not null, finished_at timestamp,
    added bigint not null, changed bigint not null, removed bigint not null, refused bigint not null,
    left_over bigint not null,
    withheld varchar not null, calls bigint not null, seconds double not null, message varchar, flushed boolean not null
);
create table if not exists results (
    run_id varchar not null, sync varchar not null, key_hash varchar not null, customer_id varchar,
    operation varchar not null, outcome varchar not null, error_class varchar, recorded_at timestamp not null
);
create table if not exists batches (number bigint not null);
insert into batches select 0 where not exists (from batches);
alter table runs add column if not exists erased bigint default 0;
alter table runs add column if not exists opted_out bigint default 0;
-- what a run was going to do, before its first call; `withheld` is JSON, `seconds` NULL where there is no rate
create table if not exists plans (
    run_id varchar not null, sync varchar not null, destination varchar not null,
    adds bigint not null, changes bigint not null, removals bigint not null, erasures bigint not null,
    unchanged bigint not null, withheld varchar not null, calls bigint not null, seconds double, cost varchar not null,
    guard varchar, planned_at timestamp not null
);
-- one row per key and channel; `channel` is 'any' for a sync without one; `source` says how we learned it: 'send' when
-- the destination refused the row as opted_out, 'poll' when it listed the person. They withhold the key for good.
-- `told`: carried on as a consent event (reverse_etl/consent_events.py).
create table if not exists opt_outs (
    key varchar not null, customer_id varchar, channel varchar not null, opted_out_at timestamp not null,
    seen_at timestamp not null, source varchar not null, told boolean not null
);
-- when the destination was last asked who unsubscribed
create table if not exists polls (polled_at timestamp not null);
-- the id of the journal that is not folded yet
create table if not exists journal (id varchar not null);
insert into journal select uuid()::varchar where not exists (from journal);
create table if not exists version (number integer not null);
delete from version;
"""

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
def open_ledger(path: Path, *, write: bool, patience: float = 0.0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the ledger's tables in its main database, locked against other runs of the sync.

    To plan (`write=False`) a ledger that does not exist yet is an empty one in memory. Waits `patience` seconds for
    another process, then raises LockedError.
    """
    with _hold(path):
        if write and not path.exists():
            _create(path)
        connection = _connect(path, write=write, patience=patience)
        try:
            if path.exists() and not write and _is_behind(connection, path):
                connection.close()
                with contextlib.closing(_connect(path, write=True)) as behind:
                    _catch_up(behind, path)
                connection = _connect(path, write=False)
            elif write or not path.exists():
                _catch_up(connection, path)
            yield connection
        finally:
            # on a full disk the checkpoint fails; the next opening reads the log
            with contextlib.suppress(duckdb.Error):
                connection.close()


def journal_of(path: Path) -> Path:
    """The journal of a ledger's file."""
    return path.with_suffix(".journal")


def journal_id(connection: duckdb.DuckDBPyConnection) -> str:
    """The id of the journal that is not folded yet."""
    return str(one_row(connection, "select id from journal")[0])


def _is_behind(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    return not _is_current(connection) or left_over(journal_of(path), journal_id(connection)) is not None


def _catch_up(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the tables up to this version, and up to what a run that died left in its journal."""
    if not _is_current(connection):
        _upgrade(connection)
    if (left := left_over(journal_of(path), journal_id(connection))) is not None:
        fold(connection, *left)
    if path.exists():
        journal_of(path).unlink(missing_ok=True)


def _connect(path: Path, *, write: bool, patience: float = 0.0) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + patience
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=not write) if path.exists() else duckdb.connect(":memory:")
            break
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"{path.stem} is being synced by another process; its ledger {path} is locked"
                ) from None
            time.sleep(0.05)
    # payloads pass through this connection: they must not be spilled to disk
    connection.execute("set temp_directory = ''")
    # rows of `results` are in the warehouse before the file is closed: to compress them first is a waste
    connection.execute("set checkpoint_threshold = '256MB'")
    return connection


def _is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    known = one_row(connection, "select count(*) from duckdb_tables() where table_name = 'version'") != (0,)
    return known and connection.execute("select number from version").fetchone() == (VERSION,)


def _upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"begin; {SCHEMA} insert into version values ({VERSION}); commit")  # noqa: S608 - ours


def _create(path: Path) -> None:
    """Make the file whole or not at all: a DuckDB file that was half made when the process died cannot be opened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(draft)) as connection:
        _upgrade(connection)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
