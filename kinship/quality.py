"""The books of checks, kept in the warehouse beside what they checked: whoever looks at the tables sees how they fared.

`operations.gate_runs` has one row per gate and run that evaluated it, `operations.tests` the latest result of every dbt
test, `operations.raw_columns` every column that a raw table ever had, and since when. All is counts and names of our
own. A run that was stopped publishes nothing, so what stopped it lies in a file of its own, which the next run that
passes removes.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from kinship.builds import CheckResult
from kinship.settings import Settings

# A source that hands over files each day is late after a day and a bit, and overdue after a day and a half.
LATE_AFTER = timedelta(hours=26)
OVERDUE_AFTER = timedelta(hours=36)

TABLES = """
create schema if not exists operations;
create table if not exists operations.gate_runs (
    run_id varchar, gate varchar, suites integer, expectations integer, warned integer, failed integer,
    is_stopped boolean, checked_at timestamptz
);
create table if not exists operations.tests (
    stretch varchar, test varchar, relation varchar, kind varchar, status varchar, failures bigint, seconds double,
    run_id varchar, tested_at timestamptz
);
create table if not exists operations.raw_columns (
    source varchar, table_name varchar, column_name varchar, is_initial boolean, first_seen_at timestamptz
);
"""


@dataclass(frozen=True)
class Stop:
    """What stopped the last run: the gate, or the stretch of models, and what did not hold there."""

    run_id: str
    where: str
    failed: tuple[str, ...]
    stopped_at: datetime


def save_gate(connection: duckdb.DuckDBPyConnection, run_id: str, gate: str, results: Sequence[CheckResult]) -> None:
    """Add a run's evaluation of a gate to the history."""
    failed = [one for one in results if not one.passed]
    stopping = sum(one.severity == "error" for one in failed)
    connection.execute(TABLES)
    connection.execute(
        "insert into operations.gate_runs values (?, ?, ?, ?, ?, ?, ?, now())",
        [
            run_id, gate, len(results), sum(one.expectations for one in results), len(failed) - stopping, stopping,
            stopping > 0,
        ],
    )  # fmt: skip


def save_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Note the columns that raw tables have now and had not before. Those a table came with are `is_initial`."""
    connection.execute(TABLES)
    connection.execute(
        """
        insert into operations.raw_columns
        with known as (from operations.raw_columns),
        now as (
            select substr(table_schema, 5) as source, table_name, column_name
            from information_schema.columns
            where
                starts_with(table_schema, 'raw_')
                and table_name not in ('extracted_files', 'quarantine')
                and not starts_with(table_name, '_dlt')
                and not starts_with(column_name, '_')
        )
        select
            source, table_name, column_name,
            (source, table_name) not in (select (source, table_name) from known) as is_initial,
            now() as first_seen_at
        from now
        anti join known using (source, table_name, column_name)
        """
    )


def save_tests(
    connection: duckdb.DuckDBPyConnection, stretch: str, run_id: str, artefacts: Path, manifest: Mapping[str, Any]
) -> list[str]:
    """Replace the results of one stretch's dbt tests by those in its `run_results.json`; returns the tests that failed.

    dbt's messages are left out: they may quote a person's data.
    """
    found = json.loads((artefacts / "run_results.json").read_text())
    at = datetime.fromisoformat(found["metadata"]["generated_at"])
    rows = []
    for result in found["results"]:
        kind, _, name = result["unique_id"].partition(".")
        if kind != "test":
            continue
        node = manifest["nodes"].get(result["unique_id"], {})
        tested = manifest["nodes"].get(node.get("attached_node") or "") or {}
        rows.append(
            (
                stretch,
                node.get("name", name),
                f"{tested['schema']}.{tested['name']}" if tested else None,
                (node.get("test_metadata") or {}).get("name", "singular"),
                result["status"],
                result["failures"],
                result["execution_time"],
                run_id,
                at,
            )
        )
    connection.execute(TABLES)
    connection.execute("begin")
    connection.execute("delete from operations.tests where stretch = ?", [stretch])
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(
            f"insert into operations.tests select {', '.join(f'unnest(${n + 1})' for n in range(len(columns)))}",
            columns,
        )
    connection.execute("commit")
    return [f"{row[2] or 'the project'}: {row[1]}" for row in rows if row[4] in ("fail", "error")]


def note_stop(settings: Settings, run_id: str, where: str, failed: Iterable[str]) -> None:
    """Put down what stopped a run, in place of what stopped the one before."""
    stop = Stop(run_id, where, tuple(failed), datetime.now(UTC))
    path = _stopped(settings)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.write_text(json.dumps(asdict(stop) | {"stopped_at": stop.stopped_at.isoformat()}))
    written.replace(path)


def forget_stop(settings: Settings) -> None:
    """A run has passed its last gate: what stopped an earlier one is over."""
    _stopped(settings).unlink(missing_ok=True)


def last_stop(settings: Settings) -> Stop | None:
    """What stopped the last run that checked anything; None when it passed."""
    try:
        said = json.loads(_stopped(settings).read_text())
    except FileNotFoundError:
        return None
    return Stop(said["run_id"], said["where"], tuple(said["failed"]), datetime.fromisoformat(said["stopped_at"]))


def _stopped(settings: Settings) -> Path:
    return settings.state / "stopped.json"
