"""What the published copies say of the house's own running: checks, sources, quarantine, syncs. Counts, never a record.

Schema `operations`, times in UTC:

* `checks`: one row per expectation suite and table, as in the warehouse (kinship/builds.py).
* `gate_runs`, `tests`, `raw_columns`: runs of gates, results of dbt's tests, columns of raw tables, as in the warehouse
  (kinship/quality.py).
* `sources`: one row per source and raw table: files and rows in use, records of them set aside, when the newest file
  changed and when one was last read.
* `quarantine`: one row per source, raw table and reason: records that could not be taken, of files in use.
* `syncs`: one row per sync: where it stands by its ledger (reverse_etl/status.py), and the calls it may make in 24
  hours (NULL: as many as it takes).
"""

from collections.abc import Iterable

import duckdb

from kinship.published.outputs import Output
from kinship.published.writing import FULL
from kinship.settings import Settings
from kinship.sql import quoted
from kinship.warehouse import raw_sources
from reverse_etl.config import Sync
from reverse_etl.status import sync_status
from reverse_etl.warehouse import has_table

SCHEMA = "operations"

BOOKS = {"gate_runs": "checked_at", "tests": "tested_at", "raw_columns": "first_seen_at"}
"""The books of kinship/quality.py, and when each of their rows was written."""

WAREHOUSE = ("checks", *BOOKS, "sources", "quarantine")
"""What the warehouse tells, but for the syncs."""

_TABLES = {
    "checks": "gate varchar, asset varchar, name varchar, passed boolean, severity varchar, expectations integer,"
    " failed varchar[], metadata varchar, checked_at timestamp",
    "gate_runs": "run_id varchar, gate varchar, suites integer, expectations integer, warned integer, failed integer,"
    " is_stopped boolean, checked_at timestamp",
    "tests": "stretch varchar, test varchar, relation varchar, kind varchar, status varchar, failures bigint,"
    " seconds double, run_id varchar, tested_at timestamp",
    "raw_columns": "source varchar, table_name varchar, column_name varchar, is_initial boolean,"
    " first_seen_at timestamp",
    "sources": "source varchar, table_name varchar, files bigint, rows bigint, quarantined bigint,"
    " last_changed_at timestamp, last_extracted_at timestamp",
    "quarantine": "source varchar, table_name varchar, reason varchar, records bigint, last_quarantined_at timestamp",
    "syncs": "sync varchar, destination varchar, owner varchar, purpose varchar, state varchar, accepted bigint,"
    " refused bigint, unsettled bigint, opt_outs bigint, untold_opt_outs bigint, calls_per_day bigint,"
    " last_run_at timestamp, last_message varchar, next_attempt_at timestamp, stalled varchar",
}


def write_operations(connection: duckdb.DuckDBPyConnection, source: str) -> list[Output]:
    """Write what the warehouse attached as `source`, and current there, tells of its checks and sources."""
    into = _create(connection, WAREHOUSE)
    if has_table(connection, source, SCHEMA, "checks"):
        connection.execute(
            f"""insert into {into}.checks by name
            select * replace (metadata::varchar as metadata, checked_at at time zone 'UTC' as checked_at)
            from {SCHEMA}.checks order by asset, name"""  # noqa: S608
        )
    for name, at in BOOKS.items():
        if has_table(connection, source, SCHEMA, name):
            connection.execute(
                f"insert into {into}.{name} by name"  # noqa: S608
                f" select * replace ({at} at time zone 'UTC' as {at}) from {SCHEMA}.{name}"
            )
    for name in raw_sources(connection):
        raw = quoted(f"raw_{name}")
        connection.execute(
            f"""insert into {into}.sources
            select
                ?, table_name, count(*), sum(rows), sum(quarantined), make_timestamp(max(modified_ns) // 1000),
                max(extracted_at) at time zone 'UTC'
            from {raw}.extracted_files
            where is_current
            group by table_name order by table_name""",  # noqa: S608
            [name],
        )
        if has_table(connection, source, f"raw_{name}", "quarantine"):
            connection.execute(
                f"""insert into {into}.quarantine
                select ?, table_name, reason, count(*), max(quarantined_at) at time zone 'UTC'
                from {raw}.quarantine
                where file_id in (select file_id from {raw}.extracted_files where is_current)
                group by table_name, reason order by table_name, reason""",  # noqa: S608
                [name],
            )
    return [_output(name) for name in WAREHOUSE]


def write_syncs(connection: duckdb.DuckDBPyConnection, syncs: Iterable[Sync], settings: Settings) -> list[Output]:
    """Write where each sync stands."""
    into = _create(connection, ("syncs",))
    for sync in syncs:
        status = sync_status(sync, settings)
        connection.execute(
            f"insert into {into}.syncs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [
                sync.name,
                sync.destination,
                sync.owner,
                sync.purpose,
                status.state,
                status.accepted,
                sum((status.refused or {}).values()),
                status.unsettled,
                status.opt_outs,
                status.untold_opt_outs,
                sync.limits.calls_per_day,
                status.last_run_at,
                status.last_message,
                status.next_attempt_at,
                status.stalled,
            ],
        )
    return [_output("syncs")]


def _create(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> str:
    into = f"{FULL}.{SCHEMA}"
    connection.execute(f"create schema if not exists {into}")
    for name in names:
        connection.execute(f"create or replace table {into}.{name} ({_TABLES[name]})")
    return into


def _output(name: str) -> Output:
    columns = (column.strip().split(" ")[0] for column in _TABLES[name].split(","))
    # owners are colleagues that the project's files name; the checks' measures are numbers of any length
    return Output(SCHEMA, name, {column: "none" if column in ("owner", "metadata") else None for column in columns})
