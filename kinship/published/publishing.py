"""Write, audit, publish: a new folder beside the last one, then the pointer in one step.

A reader sees the old publication or the new one, whenever this process is killed; what a killed one left is removed by
the next.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb

from kinship.checks import latest_checks
from kinship.errors import StoppedByGuard
from kinship.limits import limit
from kinship.manifest import load_manifest
from kinship.published.outputs import outputs
from kinship.published.publication import POINTER, RECORD, Publication, sync_folder, write_record
from kinship.published.search import add_search
from kinship.published.writing import FULL, MASKED, add_file, copy_tables, mask_tables
from kinship.settings import Settings
from reverse_etl.warehouse import attached, one_row, quoted

PARTIAL = ".partial"


def publish(settings: Settings) -> Publication:
    """Publish the tables of the last build."""
    settings.published.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S%f}"
    draft = settings.published / f"{name}{PARTIAL}"
    draft.mkdir()
    tables = outputs(load_manifest())
    with _warehouse(settings) as (connection, source):
        build = connection.execute(
            f"select run_id, finished_at from {quoted(source)}.operations.builds where finished_at is not null"
        ).fetchone()
        if build is None:
            raise StoppedByGuard(
                "the tables are not those of a whole build that passed its checks: `kinship run` first"
            )
        (as_of,) = one_row(connection, f"select as_of from {quoted(source)}.customers.int_customers__as_of")
        add_file(connection, draft / "warehouse.duckdb", FULL)
        rows = copy_tables(connection, source, tables)
        add_search(connection, FULL)
        add_file(connection, draft / "masked.duckdb", MASKED)
        mask_tables(connection, tables)
        connection.execute(f"use {quoted(source)}")
        checks = latest_checks(connection, settings.state / "dbt")
        connection.execute("use memory")
        connection.execute(f"detach {FULL}; detach {MASKED}")
    publication = Publication(
        run=name, folder=settings.published / name, as_of=as_of.replace(tzinfo=UTC), built_at=build[1],
        published_at=now, run_id=build[0], contents="", rows=rows, checks=checks,
    )  # fmt: skip
    write_record(publication, draft / RECORD)
    draft.rename(publication.folder)
    sync_folder(settings.published)
    write_record(publication, settings.published / POINTER)
    return publication


@contextmanager
def _warehouse(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection of its own with the warehouse attached for reading, and the catalog's name."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        limit(connection)
        with attached(connection, settings.warehouse, write=False, patience=10) as catalog:
            yield connection, catalog
