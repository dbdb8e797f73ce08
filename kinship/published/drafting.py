"""Writes the files of the next publication: everything, or the last one with what the syncs did since."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from kinship.checks import Checks, latest_checks
from kinship.errors import StoppedByGuard, WrongUse
from kinship.limits import limit
from kinship.manifest import digest_of, load_manifest
from kinship.metrics.tables import SCHEMA as METRICS
from kinship.metrics.tables import write as write_metrics
from kinship.published.masking import prepare, read_key, write_stand_ins
from kinship.published.operations import write_operations, write_syncs
from kinship.published.outputs import SYNCS, Output, as_text, outputs, sources_with_personal_ids, sync_outputs
from kinship.published.pruning import SPILL
from kinship.published.publication import MASKED_WAREHOUSE, PARQUET, WAREHOUSE, Publication
from kinship.published.search import add_search
from kinship.published.writing import (
    FULL,
    MASKED,
    add_file,
    copy_file,
    copy_tables,
    count_rows,
    mask_tables,
    types_in,
    write_parquet,
)
from kinship.settings import Settings
from kinship.sql import literal, quoted
from reverse_etl.config import load_syncs
from reverse_etl.results import TABLES
from reverse_etl.status import sync_status
from reverse_etl.warehouse import attached, has_table, one_row

PATIENCE = 10.0
"""Seconds to wait for whoever writes the warehouse."""

PRIVATE, OPEN = 0o600, 0o644
"""Whoever may read masked data need not be the user that runs Kinship."""

Parquet = Literal["masked", "full"]


@dataclass(frozen=True)
class State:
    """What the warehouse holds, and two digests of what everything to be published is made from."""

    run_id: str
    built_at: datetime
    as_of: datetime
    checks: Checks
    tables: str
    syncs: str


@dataclass(frozen=True)
class Draft:
    """The files of a publication to be."""

    state: State
    rows: Mapping[str, int]
    """Of all tables, by `<schema>.<table>`."""
    changed: Sequence[Output]
    """The tables written anew."""
    is_whole: bool
    """These are all; else only what the syncs say."""


def write_draft(settings: Settings, last: Publication | None, folder: Path, parquet: Parquet | None) -> Draft | None:
    """Write the files into `folder`, which this makes; None when `last` holds all there is.

    Raises `StoppedByGuard` when the tables are not those of a whole build that passed its checks.
    """
    if not settings.warehouse.exists():
        raise WrongUse(f"there is no warehouse at {settings.warehouse} yet: `kinship run` builds it")
    manifest = load_manifest()
    with _connection(settings) as connection:
        with (
            attached(connection, settings.warehouse, write=False, patience=PATIENCE) as source,
            _current(connection, source),
        ):
            state = _look(connection, source, settings, manifest, parquet)
            base = last if last is not None and last.tables == state.tables else None
            if base is not None and base.syncs == state.syncs:
                return None
            folder.mkdir(mode=0o700)
            if base is not None:
                _copy_files(base, folder, parquet)
            add_file(connection, folder / WAREHOUSE, FULL, PRIVATE)
            changed = [] if base else _write_tables(connection, source, outputs(manifest))
            changed += _write_results(connection, source, sync_outputs(manifest))
        changed += write_syncs(connection, load_syncs(manifest), settings)
        add_file(connection, folder / MASKED_WAREHOUSE, MASKED, OPEN)
        prepare(connection, read_key(settings.published), FULL, sources_with_personal_ids(manifest))
        write_stand_ins(connection, FULL)
        mask_tables(connection, changed)
        if parquet is not None:
            catalog, mode = (FULL, PRIVATE) if parquet == "full" else (MASKED, OPEN)
            write_parquet(connection, catalog, changed, folder / PARQUET, mode)
        rows = (dict(base.rows) if base else {}) | {one.key: count_rows(connection, FULL, one) for one in changed}
        connection.execute(f"detach {FULL}; detach {MASKED}")
    return Draft(state, rows, tuple(changed), base is None)


@contextmanager
def _connection(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        limit(connection)
        if not os.environ.get("KINSHIP_TEMP_DIR"):
            connection.execute(f"set temp_directory = {literal(str(settings.published / SPILL))}")
        yield connection


@contextmanager
def _current(connection: duckdb.DuckDBPyConnection, catalog: str) -> Iterator[None]:
    """Names without a catalog are the warehouse's; what is current cannot be detached."""
    connection.execute(f"use {quoted(catalog)}")
    try:
        yield
    finally:
        connection.execute("use memory")


def _look(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    settings: Settings,
    manifest: Mapping[str, Any],
    parquet: Parquet | None,
) -> State:
    build = None
    if has_table(connection, source, "operations", "builds"):
        build = connection.execute("select run_id, finished_at from operations.builds").fetchone()
    if build is None or build[1] is None:
        raise StoppedByGuard("the tables are not those of a whole build that passed its checks: `kinship run` first")
    run_id, built_at = build
    (as_of,) = one_row(connection, "select max(as_of) from customers.int_customers__as_of")
    told = {
        one.key: one_row(connection, f"select count(*) from {one.key}")  # noqa: S608 - our own names
        for one in sync_outputs(manifest)
        if has_table(connection, source, one.schema, one.name)
    }
    return State(
        run_id=run_id,
        built_at=built_at,
        as_of=as_of.replace(tzinfo=UTC) if as_of else built_at,
        checks=latest_checks(connection, settings.state / "dbt"),
        tables=digest_of(
            ["kinship/published", "kinship/metrics"],
            f"{run_id} {built_at} {parquet} {sources_with_personal_ids(manifest)}",
            as_text([*outputs(manifest), *sync_outputs(manifest)]),
        ),
        syncs=digest_of([], repr(told), repr([sync_status(sync, settings) for sync in load_syncs(manifest)])),
    )


def _write_tables(connection: duckdb.DuckDBPyConnection, source: str, tables: Sequence[Output]) -> list[Output]:
    copy_tables(connection, source, tables)
    add_search(connection, FULL)
    metrics = write_metrics(connection, source, FULL)
    known = types_in(connection, FULL)
    return [
        *tables,
        *write_operations(connection, source),
        # owners are colleagues that the metrics' files name
        *(
            Output(METRICS, key.removeprefix(f"{METRICS}."), dict.fromkeys(known[key]) | {"owner": "none"})
            for key in metrics
        ),
    ]


def _write_results(connection: duckdb.DuckDBPyConnection, source: str, tables: Sequence[Output]) -> Sequence[Output]:
    # as long as no sync has run, its books are empty
    connection.execute(TABLES.format(schema=f"{FULL}.{SYNCS}"))
    copy_tables(connection, source, [one for one in tables if has_table(connection, source, one.schema, one.name)])
    return tables


def _copy_files(base: Publication, folder: Path, parquet: Parquet | None) -> None:
    for path in (base.warehouse, base.masked):
        copy_file(path, folder / path.name)
    if parquet is not None:
        # what is written anew gets a file of its own
        shutil.copytree(base.parquet, folder / PARQUET, copy_function=os.link)
