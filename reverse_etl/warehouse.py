"""The warehouse beside a ledger: attached for as short as possible, never while a destination is being talked to."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from kinship.lake import reach
from kinship.sql import literal, quoted
from reverse_etl.errors import ConfigurationError, LockedError


@contextlib.contextmanager
def attached(connection: duckdb.DuckDBPyConnection, path: Path, *, write: bool, patience: float = 0.0) -> Iterator[str]:
    """Attach the warehouse; yields its catalog's name. Waits `patience` seconds for others, then raises LockedError."""
    if not path.exists():
        raise ConfigurationError(f"{path} is missing: `kinship run` builds the warehouse")
    # views name the catalog they were made in, and that is the file's stem
    catalog = path.stem
    reach(connection)
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(f"attach {literal(str(path))} as {quoted(catalog)}" + ("" if write else " (read_only)"))
            break
        except (duckdb.IOException, duckdb.BinderException) as error:
            # another process holds the lock, or another connection of this process has the file open
            if "lock on file" not in str(error) and "Unique file handle conflict" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"the warehouse {path} is in use by another run; try again when that is done"
                ) from None
            time.sleep(0.2)
    try:
        yield catalog
    finally:
        connection.execute(f"detach {quoted(catalog)}")


def has_table(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str, table: str) -> bool:
    """Whether an attached database has the table or view."""
    try:
        connection.execute(f"describe {quoted(catalog)}.{quoted(schema)}.{quoted(table)}")
    except duckdb.CatalogException:
        return False
    return True


@contextlib.contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """For statements over a thousand rows: several threads take twice the CPU time to share them out."""
    connection.execute("set threads = 1")
    try:
        yield
    finally:
        connection.execute("reset threads")


@contextlib.contextmanager
def all_threads(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """For a large read in between."""
    threads = one_row(connection, "select current_setting('threads')")[0]
    connection.execute("reset threads")
    try:
        yield
    finally:
        connection.execute(f"set threads = {threads:d}")


def one_row(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
    """The single row of a query that always has one."""
    row = connection.execute(query, list(parameters)).fetchone()
    if row is None:
        raise LookupError("the query gave no row")
    return tuple(row)
