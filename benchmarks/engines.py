"""The demo company on both engines, DuckDB and Spark: seconds and peak memory per step, and every table compared.

    python benchmarks/engines.py [people] [--days 120] [--more 5]

Runs the pipeline on each engine, compares every public table row by row (types, ids and floats within 1e-9), lets five
more days go by (unless --more 0), and does both again. Ends with 1 when a table differs. `make spark` runs it with 300
people.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline import Measured, measure

from kinship.spark.comparison import compare

ENGINES = ("duckdb", "spark")


def run(base: Path) -> dict[str, Measured]:
    """One `kinship run` per engine, each with its data in `<base>/<engine>`, from the same source files."""
    measured = {}
    for engine in ENGINES:
        os.environ["KINSHIP_TARGET"] = engine
        measured[engine] = measure(base / engine, "run")
    return measured


def differing(base: Path) -> int:
    """Print what differs between the engines' tables; the number of tables that do."""
    os.environ |= {"KINSHIP_TARGET": "spark", "KINSHIP_DATA": str(base / "spark")}
    tables = list(compare(base / "duckdb" / "warehouse.duckdb"))
    wrong = [table for table in tables if not table.is_same]
    for table in wrong:
        print(
            f"DIFFERS {table.table}: {table.missing:,} rows missing, {table.surplus:,} surplus {'; '.join(table.types)}"
        )
    print(
        f"{len(tables) - len(wrong)} of {len(tables)} public tables are the same, {sum(t.rows for t in tables):,} rows"
    )
    return len(wrong)


def show(title: str, measured: dict[str, Measured]) -> None:
    """A table of the steps of both engines."""
    print(f"\n{title}\n{'':34}{'duckdb s':>10}{'spark s':>10}{'duckdb MB':>11}{'spark MB':>10}")
    steps = {name: [one.steps.get(name, (0.0, 0)) for one in measured.values()] for name in measured["spark"].steps}
    steps["all"] = [(one.seconds, one.peak) for one in measured.values()]
    for name, ((ours, our_peak), (theirs, their_peak)) in steps.items():
        print(f"{name:34}{ours:10.1f}{theirs:10.1f}{our_peak / 1e6:11,.0f}{their_peak / 1e6:10,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="?", default=300)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--more", type=int, default=5, help="days that go by before the second run")
    chosen = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="kinship-engines-"))
    os.environ["KINSHIP_SOURCES"] = str(base / "sources")
    for name in ("KINSHIP_WAREHOUSE", "KINSHIP_LAKE"):
        os.environ.pop(name, None)
    company = ("demo", "--people", str(chosen.people), "--days", str(chosen.days))
    try:
        measure(base, *company)
        first = run(base)
        show(f"{chosen.people:,} people, {chosen.days} days", first)
        wrong = differing(base)
        if chosen.more:
            measure(base, *company, "--until", f"2026-07-{chosen.more:02}")
            show(f"{chosen.more} days later", run(base))
            wrong += differing(base)
            show("again, with nothing new", run(base))
    finally:
        shutil.rmtree(base)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
