"""What runs did, told to the warehouse: `reverse_etl.sync_plans`, `sync_runs` and `sync_results`.

The ledger keeps the rows until the warehouse has them: one that is locked just now gets them from the next run.
"""

from pathlib import Path

import duckdb

from kinship.sql import quoted
from reverse_etl.errors import LockedError
from reverse_etl.warehouse import attached

TABLES = """
create schema if not exists {schema};
create table if not exists {schema}.sync_runs (
    run_id varchar, sync varchar, destination varchar, status varchar, started_at timestamp, finished_at timestamp,
    added bigint, changed bigint, removed bigint, refused bigint, left_over bigint, withheld varchar, calls bigint,
    seconds double, message varchar
);
create table if not exists {schema}.sync_results (
    run_id varchar, sync varchar, key_hash varchar, customer_id varchar, operation varchar, outcome varchar,
    error_class varchar, recorded_at timestamp
);
alter table {schema}.sync_runs add column if not exists erased bigint;
alter table {schema}.sync_runs add column if not exists opted_out bigint;
create table if not exists {schema}.sync_plans (
    run_id varchar, sync varchar, destination varchar, adds bigint, changes bigint, removals bigint, erasures bigint,
    unchanged bigint, withheld varchar, calls bigint, seconds double, cost varchar, guard varchar, planned_at timestamp
);
"""


def flush(connection: duckdb.DuckDBPyConnection, warehouse: Path, *, patience: float = 3.0) -> bool:
    """Move finished runs and their row results into the warehouse in one transaction; False while others hold it,
    or where its disk is full.

    A run whose row is there already was moved by a process that died before it could say so, and is not moved again.
    """
    pending = connection.execute("select count(*) from runs where not flushed and status <> 'running'").fetchone()
    if pending is None or pending[0] == 0:
        return True
    try:
        with attached(connection, warehouse, write=True, patience=patience) as catalog:
            _move(connection, f"{quoted(catalog)}.reverse_etl")
    except (LockedError, duckdb.IOException, duckdb.TransactionException):
        # in use, or its disk is full
        return False
    connection.execute(
        """begin;
        update runs set flushed = true where status <> 'running';
        delete from results where run_id in (select run_id from runs where flushed);
        delete from plans where run_id in (select run_id from runs where flushed);
        commit;"""
    )
    return True


def _move(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    fresh = f"""
        not runs.flushed and runs.status <> 'running'
        and not exists (from {schema}.sync_runs as known where known.run_id = runs.run_id)"""
    connection.execute("begin")
    try:
        connection.execute(TABLES.format(schema=schema))
        connection.execute(
            f"""insert into {schema}.sync_results by name
            select results.* from results join runs on results.run_id = runs.run_id where {fresh};
            insert into {schema}.sync_plans by name
            select plans.* from plans join runs on plans.run_id = runs.run_id where {fresh};
            insert into {schema}.sync_runs by name
            select runs.* exclude (flushed) from runs where {fresh};"""  # noqa: S608 - our own names
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
