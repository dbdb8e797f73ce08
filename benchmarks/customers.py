"""Customers, predictions, segments and reports over a million people: from scratch, by one more day, with nothing new.

    python benchmarks/customers.py [--template 5000] [--copies 200] [--memory 12GB] [--folder FOLDER]

A company of TEMPLATE people over 60 days (scale_data.py: 20 events and 3 orders a person) goes through the whole
pipeline, first without its last day, then with it. What staging and identity made of it is copied COPIES times, each
copy under ids of its own, into a second warehouse; there dbt builds the layers after identity three times: from
scratch, after the last day has come, and once more with nothing new. Prints, per build, seconds, rows a second, the
largest resident set of the process tree (sampled twice a second) and processor seconds: of DuckDB, of the predictions
in Python, and of dbt, whose work is the same whatever the data; then, table by table, what it took from scratch
and for the day, and the day's share. The bound beside it is what DuckDB needs to write the same input tables bare.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sampling import sampled, watch
from scale_data import hold_back_last_day, write_company

from kinship.settings import ROOT

LAYERS = ("customers", "predictions", "segments", "reporting")
FROM_RAW = "rpt_source_accounting"  # reads what was extracted, which is not copied
PYTHON = {path.stem for path in (ROOT / "models").rglob("*.py")}
SHARED = {"product_id", "variant_id"}  # ids of things that everyone has in common


def run_pipeline(data: Path) -> None:
    """`kinship run` on the template."""
    watched = watch(["run"], os.environ | {"KINSHIP_DATA": str(data)}, echo=True)
    if watched.code:
        raise SystemExit(f"kinship run ended with {watched.code}")


def inputs(data: Path) -> list[tuple[str, str]]:
    """(schema, table) of every relation that the layers read and do not build."""
    nodes = json.loads((data / "dbt" / "manifest" / "manifest.json").read_text())["nodes"]
    ours = {
        key: node
        for key, node in nodes.items()
        if node["resource_type"] in ("model", "snapshot") and node["schema"] in LAYERS and node["name"] != FROM_RAW
    }
    read = {parent for node in ours.values() for parent in node["depends_on"]["nodes"]} - ours.keys()
    return sorted((nodes[parent]["schema"], nodes[parent]["name"]) for parent in read if parent in nodes)


def copy(template: Path, warehouse: Path, copies: int) -> tuple[float, int]:
    """Write the inputs, each `copies` times, into the warehouse: seconds, rows. Seeds are the same for all."""
    begun, rows = time.time(), 0
    # the template is the main database: its views name their tables without it
    with duckdb.connect(str(template / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set preserve_insertion_order = false; set threads = 2; set memory_limit = '8GB'")
        connection.execute(f"attach '{warehouse}' as copies (read_write)")
        for schema, table in inputs(template):
            columns = connection.execute(f'describe "{schema}"."{table}"').fetchall()
            own = [
                name
                for name, kind, *_ in columns
                if kind == "VARCHAR" and (name.endswith("_id") or name == "identifier_value") and name not in SHARED
            ]
            many = schema != "seeds" and own
            replaced = ", ".join(f'"{name}" || \'~\' || copy as "{name}"' for name in own)
            selected = f"* exclude (copy) replace ({replaced}) from" if many else "* from"
            times = f", range({copies}) as many(copy)" if many else ""
            target = f'copies."{schema}"."{table}"'
            connection.execute(f'create schema if not exists copies."{schema}"')
            connection.execute(f'create or replace table {target} as select {selected} "{schema}"."{table}"{times}')
            (count,) = connection.execute(f"select count(*) from {target}").fetchone() or (0,)
            rows += count
    return time.time() - begun, rows


@dataclass
class Build:
    """What one build took: seconds, and processor seconds by model and part (dbt_seconds.py)."""

    seconds: float
    cpu: float
    models: dict[str, dict[str, float]]

    def engine(self) -> float:
        """Processor seconds of DuckDB."""
        return sum(spent["engine"] for spent in self.models.values())

    def learning(self) -> float:
        """Processor seconds of the models in Python."""
        return sum(spent["python"] for name, spent in self.models.items() if name in PYTHON)

    def work(self) -> float:
        """Processor seconds that grow with the data."""
        return self.engine() + self.learning()


def build(folder: Path, memory: str, rows: int, what: str) -> Build:
    """Build the layers, one model at a time, and say what it took."""
    environment = os.environ | {
        "KINSHIP_DATA": str(folder),
        "KINSHIP_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "KINSHIP_TEMP_DIR": str(folder / "spill"),
        "KINSHIP_MEMORY_LIMIT": memory,
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    result = folder / "seconds.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "dbt_seconds.py"), str(result), "--log-level-file", "none"]
    command += ["--select", *(f"path:models/{layer}" for layer in LAYERS), "path:dbt_project/snapshots"]
    command += ["--exclude", FROM_RAW, "--exclude-resource-type", "test", "unit_test"]
    begun = time.time()
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    with sampled(process.pid, [folder / "spill"]) as samples:
        code = process.wait()
    ended = time.time()
    if code:
        raise SystemExit(f"dbt ended with {code}")
    memory_used, spilled = samples.between(begun, ended)
    took = Build(ended - begun, **json.loads(result.read_text()))
    print(
        f"\n{what}: {took.seconds:,.0f} s, {rows / took.seconds:,.0f} input rows/s, peak"
        f" {memory_used / 1e6:,.0f} MB, temporary files {spilled / 1e6:,.0f} MB\n  processor seconds: DuckDB"
        f" {took.engine():,.1f}, predictions in Python {took.learning():,.1f}, dbt for {len(took.models)} models"
        f" {took.cpu - took.work():,.1f}",
        flush=True,
    )
    return took


def compare(full: Build, day: Build) -> None:
    """Print, model by model, processor seconds of both: what the day took most of first."""
    print(f"\n  {'processor seconds':45}{'from scratch':>12}{'one day':>12}")
    for name in sorted(day.models, key=lambda each: -sum(day.models[each].values()))[:40]:
        print(f"  {name:45}{sum(full.models[name].values()):12.2f}{sum(day.models[name].values()):12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", type=int, default=5000)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--memory", default="12GB", help="KINSHIP_MEMORY_LIMIT")
    parser.add_argument("--folder", type=Path, help="where everything goes; default the system's")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinship-customers-", dir=asked.folder) as name:
        template, folder = Path(name) / "template", Path(name) / "copies"
        folder.mkdir()
        sources, later = template / "sources", Path(name) / "later"
        write_company(asked.template, sources)
        hold_back_last_day(sources, later)
        run_pipeline(template)
        seconds, rows = copy(template, folder / "warehouse.duckdb", asked.copies)
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
            (people,) = connection.execute(
                "select count(distinct customer_id) from identity.identity_graph"
            ).fetchone() or (0,)
        print(f"{people:,} people, {rows:,} input rows written bare in {seconds:,.0f} s", flush=True)
        full = build(folder, asked.memory, rows, "from scratch")
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
            for table in ("customer_events", "customer_orders"):
                (count,) = connection.execute(f"select count(*) from customers.{table}").fetchone() or (0,)
                print(f"  {count:,} rows in customers.{table}")
        shutil.copytree(later, sources, dirs_exist_ok=True)
        run_pipeline(template)
        seconds, more = copy(template, folder / "warehouse.duckdb", asked.copies)
        day = build(folder, asked.memory, more - rows, f"one more day, {more - rows:,} rows more")
        nothing = build(folder, asked.memory, 0, "nothing new")
        compare(full, day)
        print(
            f"\none more day takes {day.work() / full.work():.1%} of the work of a build from scratch, nothing new"
            f" {nothing.work() / full.work():.1%}; by the clock {day.seconds / full.seconds:.1%} and"
            f" {nothing.seconds / full.seconds:.1%}; a build from scratch {full.seconds / seconds:.1f} times as long as"
            " writing its input bare"
        )


if __name__ == "__main__":
    main()
