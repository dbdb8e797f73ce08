"""What one DuckDB file bears: seconds, rows a second, peak memory and bytes spilled of every step of `kinship run`.

    python benchmarks/limit.py 50000 1000000 [--days 60] [--memory 12GB] [--data FOLDER] [--day] [--keep]

Makes a company of so many people (scale_data.py) in FOLDER/<people>, takes it as it is when it is there, and runs the
whole pipeline over it. A line per step, then one per table that took long: rows, seconds, rows a second, the largest
resident set of the whole process tree and the most that lay in temporary files, both sampled twice a second. With --day
the daily files of the last day come after that: the same again for a run over them, and its share of the first run's
time. Whatever else the machine was doing is in the numbers.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
from sampling import Watched, size_of, watch
from scale_data import DAYS, hold_back_last_day, write_company

LONG = 5.0
"""Seconds from which a table has a line of its own."""


def run(data: Path, spill: Path, memory: str) -> Watched:
    """`kinship run`, held to so much memory, with temporary files in `spill`."""
    environment = os.environ | {"KINSHIP_DATA": str(data), "KINSHIP_TEMP_DIR": str(spill)}
    if memory:
        environment["KINSHIP_MEMORY_LIMIT"] = memory
    # extraction loads through a connection of its own, which spills beside the warehouse
    return watch(["run"], environment, [spill, data / "warehouse.duckdb.tmp"], echo=True)


def tables(data: Path) -> Iterator[tuple[str, float, float]]:
    """What dbt built and tested: its name, when it began and when it ended."""
    for results in sorted((data / "dbt").glob("*/run_results.json")):
        for result in json.loads(results.read_text())["results"]:
            for timing in result["timing"]:
                if timing["name"] == "execute" and timing["completed_at"]:
                    begun, ended = (
                        datetime.fromisoformat(timing[end]).timestamp() for end in ("started_at", "completed_at")
                    )
                    yield str(result["unique_id"]).split(".")[2], begun, ended


def rows_of(data: Path) -> dict[str, int]:
    """Rows by table name, and by source for what was extracted."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        named = connection.execute(
            "select schema_name, table_name, estimated_size from duckdb_tables() where not internal"
        ).fetchall()
    rows: dict[str, int] = {}
    for schema, table, count in named:
        if not schema.startswith("raw_"):
            rows[table] = count
        elif not table.startswith("_") and table not in ("extracted_files", "quarantine"):
            source = f"extract {schema.removeprefix('raw_')}"
            rows[source] = rows.get(source, 0) + count
    return rows


def line(name: str, rows: int | None, seconds: float, memory: int, spilled: int) -> None:
    many = f"{rows:14,}{rows / max(seconds, 0.1):12,.0f}" if rows else " " * 26
    print(f"{name:44}{many}{seconds:10,.1f}{memory / 1e6:10,.0f}{spilled / 1e6:10,.0f}", flush=True)


def report(people: int, data: Path, outcome: Watched) -> None:
    rows = rows_of(data)
    print(f"\n{people:,} people, {size_of(data / 'sources') / 1e6:,.0f} MB of source files, ended with {outcome.code}")
    print(
        f"{rows.get('identity_graph', 0):,} records, {rows.get('customers', 0):,} customers,"
        f" {rows.get('customer_events', 0):,} events, {rows.get('customer_orders', 0):,} orders;"
        f" warehouse {(data / 'warehouse.duckdb').stat().st_size / 1e6:,.0f} MB"
    )
    print(f"{'':44}{'rows':>14}{'rows/s':>12}{'seconds':>10}{'peak MB':>10}{'spill MB':>10}")
    for name, (begun, ended) in outcome.steps.items():
        line(name, rows.get(name), ended - begun, *outcome.samples.between(begun, ended))
    line("all", None, outcome.seconds, *outcome.samples.between(outcome.begun, outcome.ended))
    print()
    built = sorted(tables(data), key=lambda table: table[1] - table[2])
    for name, begun, ended in built:
        if ended - begun >= LONG:
            line(name, rows.get(name), ended - begun, *outcome.samples.between(begun, ended))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="*", default=[50_000])
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--memory", default="", help="KINSHIP_MEMORY_LIMIT of the run")
    parser.add_argument("--data", type=Path, help="where companies lie; default a folder that is removed afterwards")
    parser.add_argument("--day", action="store_true", help="then one more day")
    parser.add_argument("--keep", action="store_true", help="keep the warehouse, not only the sources in --data")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinship-limit-") as scratch:
        for people in asked.people:
            data = (asked.data or Path(scratch)) / str(people)
            if not (data / "sources").exists():
                begun = time.time()
                made = write_company(people, data / "sources", asked.days)
                print(f"{made:,} rows of sources written in {time.time() - begun:,.0f} s", flush=True)
            later = data / "later"
            if later.exists():  # of a run that was broken off
                shutil.copytree(later, data / "sources", dirs_exist_ok=True)
            for left in data.iterdir():
                if left.name != "sources":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            if asked.day:
                hold_back_last_day(data / "sources", later)
            outcome = run(data, data / "spill", asked.memory)
            report(people, data, outcome)
            if asked.day and not outcome.code:
                first = outcome.seconds
                shutil.copytree(later, data / "sources", dirs_exist_ok=True)
                shutil.rmtree(later)
                outcome = run(data, data / "spill", asked.memory)
                report(people, data, outcome)
                print(f"\none more day takes {outcome.seconds / first:.1%} of the time of the first run")
            if not asked.keep:
                shutil.rmtree(data / "dbt", ignore_errors=True)
                (data / "warehouse.duckdb").unlink(missing_ok=True)
            if outcome.code:
                sys.exit(outcome.code)


if __name__ == "__main__":
    main()
