"""Table maintenance of the lake: many small files become few, and files that no version needs any more are deleted.

Each load and each increment adds files, and what it replaces stays for whoever reads an older version: without this a
lake grows with every run, and holds those who were erased for good. delta-rs does it, so no Spark is started.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable, WriterProperties

from kinship.errors import KinshipError
from kinship.lake import locations, reach, storage_options

SMALL_BYTES = 16 << 20
SMALL_FILES = 16
"""A table that has more files than this of fewer bytes than that is compacted."""
TARGET_BYTES = 128 << 20
RETENTION = timedelta(days=7)
"""How long a file that was replaced is kept; Delta's own default, and longer than any reader or writer takes."""


@dataclass(frozen=True)
class Maintained:
    """What became of one table: data files before and after, and how many that nothing needs were deleted."""

    table: str
    before: int
    after: int
    deleted: int


def maintain(retention: timedelta = RETENTION) -> Iterator[Maintained]:
    """Look after every table of the lake, one after another; killed, the next call goes on.

    Nothing else may write the lake meanwhile. Raises `KinshipError` naming the table that could not be written.
    """
    with duckdb.connect() as connection:
        reach(connection)
        for schema, name, location in locations(connection):
            table = f"{schema}.{name}"
            try:
                yield _maintain(table, location, retention, connection)
            except Exception as error:  # delta-rs has many classes, and their text may quote a value of a file's bounds
                raise KinshipError(
                    f"{table} in the lake cannot be maintained ({type(error).__name__}): is anything else writing it?"
                    " What was done to other tables is done; the same command goes on"
                ) from error


def _maintain(name: str, location: str, retention: timedelta, connection: duckdb.DuckDBPyConnection) -> Maintained:
    table = DeltaTable(location, storage_options=storage_options())
    sizes = _sizes(table)
    if sum(size < SMALL_BYTES for size in sizes) > SMALL_FILES:
        table.optimize.compact(
            target_size=TARGET_BYTES, writer_properties=WriterProperties(compression="ZSTD", compression_level=1)
        )

    def vacuum(*, dry_run: bool) -> list[str]:
        # full: also what a killed writer left, which no log mentions
        hours = int(retention.total_seconds() // 3600)
        files: list[str] = table.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True)
        return files

    # delta-rs names what was replaced for weeks after it was deleted, and enters two commits for each vacuum
    doomed = _there(vacuum(dry_run=True), location, connection)
    if doomed:
        vacuum(dry_run=False)
    return Maintained(name, len(sizes), len(_sizes(table)), doomed)


def _there(files: list[str], location: str, connection: duckdb.DuckDBPyConnection) -> int:
    """How many of a table's files are there."""
    if not files:
        return 0
    found = connection.execute("select file from glob(?)", [f"{location}/**/*.parquet"]).fetchall()
    return len({file.rsplit("/", 1)[-1] for (file,) in found} & {unquote(file).rsplit("/", 1)[-1] for file in files})


def _sizes(table: DeltaTable) -> list[int]:
    """Bytes of each data file of the latest version."""
    return [int(size) for size in table.get_add_actions().column("size_bytes").to_pylist()]
