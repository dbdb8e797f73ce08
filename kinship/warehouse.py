"""The way into the warehouse file, with errors that say who holds it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from kinship import lake
from kinship.errors import KinshipError, WrongUse
from kinship.limits import limit
from kinship.settings import settings

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>\S+) \(PID (?P<pid>\d+)\)")


@contextmanager
def connect(*, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for a moment, in UTC. DuckDB locks the file per process: keep it open no longer than needed.

    On Spark the file holds views over the lake's tables, brought up to date whenever it is opened for writing.
    Raises `WrongUse` when there is no warehouse yet (reading only), `KinshipError` when another process holds the file.
    """
    path = settings().warehouse
    if read_only and not path.exists():
        raise WrongUse(
            f"there is no warehouse at {path} yet: `kinship run` builds it (KINSHIP_WAREHOUSE points elsewhere)"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        holder = _HOLDER.search(str(error))
        if holder is None:
            raise KinshipError(f"{path} cannot be opened: {str(error).splitlines()[0]}") from error
        raise KinshipError(
            f"{path} is in use by process {holder['pid']} ({holder['program']}): wait until it is done, or end it"
        ) from error
    try:
        connection.execute("set TimeZone = 'UTC'")
        limit(connection)
        lake.reach(connection)
        if settings().target == "spark" and not read_only:
            lake.show(connection)
        yield connection
    finally:
        connection.close()


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether a table or view of that name exists."""
    found = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchone()
    return bool(found and found[0])


def raw_sources(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The sources that have been extracted into this warehouse, by name."""
    rows = connection.execute(
        "select table_schema from information_schema.tables"
        " where table_name = 'extracted_files' and starts_with(table_schema, 'raw_') order by 1"
    ).fetchall()
    return [str(schema).removeprefix("raw_") for (schema,) in rows]
