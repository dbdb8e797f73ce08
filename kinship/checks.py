"""How the checks of the last build went: dbt's tests and the expectations."""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kinship.warehouse import has_table


@dataclass(frozen=True)
class Checks:
    """How many passed, and what the others say: names and counts, never values."""

    passed: int = 0
    warned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def latest_checks(warehouse: duckdb.DuckDBPyConnection, artefacts: Path) -> Checks:
    """The results of the last build. `artefacts` is the folder with dbt's results of each stretch."""
    passed, warned, failed = 0, [], []
    for path in sorted(artefacts.glob("*/run_results.json")):
        for result in json.loads(path.read_text())["results"]:
            kind, _, name = result["unique_id"].partition(".")
            if kind not in ("test", "unit_test"):
                continue
            name = name.partition(".")[2].rsplit(".", 1)[0] if kind == "test" else name
            if result["status"] == "pass":
                passed += 1
            elif result["status"] == "warn":
                warned.append(f"{name}: {result['failures']} rows")
            elif result["status"] in ("fail", "error"):
                failed.append(f"{name}: {result['failures'] or 'could not be evaluated'}")
    if has_table(warehouse, "operations", "checks"):
        for asset, severity, expectations, not_so in warehouse.execute(
            "select asset, severity, expectations, failed from operations.checks order by all"
        ).fetchall():
            passed += expectations - len(not_so)
            (failed if severity == "error" else warned).extend(f"{asset}: not so that {says}" for says in not_so)
    return Checks(passed, tuple(warned), tuple(failed))
