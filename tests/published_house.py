"""The published copies of the built company, and what tests do to a copy of them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kinship.published.publication import Publication, current
from kinship.published.reader import open_publication
from kinship.settings import settings

# what publishing reads nothing of
OTHERS = shutil.ignore_patterns("sources", "truth", "dagster", "dlt", "landing", "data_docs", "great_expectations")


def copy_house(data: Path, to: Path) -> Path:
    """A copy of a data folder to publish from."""
    return Path(shutil.copytree(data, to, ignore=OTHERS, symlinks=True))


def shown() -> Publication:
    """What is published in the folder that the environment names."""
    return current(settings())


@contextmanager
def opened(masked: bool, publication: Publication | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader's connection to what is published."""
    with open_publication(publication or shown(), masked) as connection:
        yield connection


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, to write to."""
    with duckdb.connect(str(settings().warehouse)) as connection:
        yield connection


def rebuild(note: str) -> None:
    """As a run does that built the tables anew and passed its checks."""
    with warehouse() as connection:
        connection.execute("update operations.builds set run_id = ?, finished_at = now()", [note])


def sync_runs(run_id: str) -> None:
    """As a sync does that sent something."""
    with warehouse() as connection:
        connection.execute(
            "insert into reverse_etl.sync_runs (run_id, sync, destination, status, started_at)"
            " values (?, 'sync_file__cart_abandoned', 'file', 'done', timestamp '2026-07-01')",
            [run_id],
        )


def tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of everything that a connection sees."""
    return connection.execute("select table_schema, table_name from information_schema.tables order by all").fetchall()
