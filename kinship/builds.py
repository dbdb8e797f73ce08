"""What the tables were last built from, kept in the warehouse itself: a run in which nothing changed builds nothing.

`operations.builds` holds at most one row: the last build by the pipeline, finished or not. A bare `dbt build` empties
it (macro `forget_build`), as nobody then knows what the tables were built from; the next run builds everything.
`operations.checks` holds the latest result of every expectation, for runs that do not evaluate them again.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from kinship.manifest import PROJECT_FILES, digest_of
from kinship.warehouse import has_table, raw_sources


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one expectation suite on one table: counts, never values."""

    asset: str
    name: str
    passed: bool
    severity: str  # error or warning, of the worst expectation that failed
    expectations: int
    failed: tuple[str, ...]
    metadata: dict[str, Any]


def fingerprint(connection: duckdb.DuckDBPyConnection) -> str:
    """A digest of all that the tables depend on: raw files taken in, the project's files, the moment it looks from."""
    raw = []
    for source in raw_sources(connection):
        state = connection.execute(
            f"select count(*), coalesce(sum(rows), 0), max(_dlt_load_id), bit_xor(hash(file_id, is_current))"  # noqa: S608
            f' from "raw_{source}".extracted_files'
        ).fetchone()
        raw.append(f"{source}:{state}")
    settings_of = [os.environ.get(name, "") for name in ("KINSHIP_AS_OF", "KINSHIP_SENTENCE_MODEL")]
    return digest_of([*PROJECT_FILES, "expectations"], *settings_of, *raw)


def unchanged_since(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """When the tables were last built, if from exactly what is there now; None when they must be built."""
    if not has_table(connection, "operations", "builds"):
        return None
    row = connection.execute("select fingerprint, finished_at from operations.builds").fetchone()
    if row is None or row[1] is None or row[0] != fingerprint(connection):
        return None
    finished_at: datetime = row[1]
    return finished_at


def begin(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Note that a build has begun. Until `finish` the tables count as unbuilt; a build broken off is done again."""
    connection.execute("create schema if not exists operations")
    connection.execute(
        "create table if not exists operations.builds"
        " (run_id varchar, fingerprint varchar, started_at timestamptz, finished_at timestamptz)"
    )
    connection.execute("delete from operations.builds")
    connection.execute("insert into operations.builds values (?, ?, now(), null)", [run_id, fingerprint(connection)])


def finish(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Note that the build this run began is whole and passed its checks; its measures are the next one's baseline."""
    if not has_table(connection, "operations", "builds"):
        return
    connection.execute("begin")
    done = connection.execute(
        "update operations.builds set finished_at = now() where run_id = ? and finished_at is null returning run_id",
        [run_id],
    ).fetchall()
    if done:
        connection.execute(
            "create or replace table operations.baselines as select asset, metadata from operations.checks"
        )
    connection.execute("commit")


def baseline(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """What the checks measured in the last build that was whole, by asset."""
    if not has_table(connection, "operations", "baselines"):
        return {}
    measures: dict[str, dict[str, Any]] = {}
    for asset, metadata in connection.execute("select asset, metadata from operations.baselines").fetchall():
        measures.setdefault(asset, {}).update(json.loads(metadata))
    return measures


def save_checks(connection: duckdb.DuckDBPyConnection, gate: str, results: list[CheckResult]) -> None:
    """Replace the results of one gate."""
    connection.execute("create schema if not exists operations")
    connection.execute(
        "create table if not exists operations.checks (gate varchar, asset varchar, name varchar, passed boolean,"
        " severity varchar, expectations integer, failed varchar[], metadata json, checked_at timestamptz)"
    )
    connection.execute("begin")
    connection.execute("delete from operations.checks where gate = ?", [gate])
    for r in results:
        connection.execute(
            "insert into operations.checks values (?, ?, ?, ?, ?, ?, ?, ?, now())",
            [gate, r.asset, r.name, r.passed, r.severity, r.expectations, list(r.failed), json.dumps(r.metadata)],
        )
    connection.execute("commit")


def load_checks(connection: duckdb.DuckDBPyConnection, gate: str) -> list[CheckResult]:
    """The latest results of one gate."""
    if not has_table(connection, "operations", "checks"):
        return []
    rows = connection.execute(
        "select asset, name, passed, severity, expectations, failed, metadata from operations.checks where gate = ?"
        " order by all",
        [gate],
    ).fetchall()
    return [CheckResult(a, n, p, s, e, tuple(f), json.loads(m)) for a, n, p, s, e, f, m in rows]


def is_broken_off(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a build began and did not pass; its tables may be half old, half new."""
    if not has_table(connection, "operations", "builds"):
        return False
    row = connection.execute("select count(*) from operations.builds where finished_at is null").fetchone()
    return bool(row and row[0])
