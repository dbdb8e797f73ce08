"""kill -9 at any moment of an extraction, and a second run, give the same tables as a run that was left alone."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from extract_house import TARGETS, House, house_of_target, user, users

from kinship.settings import ROOT, settings
from orchestration.extract import extract

new_house = pytest.fixture(house_of_target, name="house", params=TARGETS)


def run(base: Path, moments: list[float]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("extract_killed.py")), *map(str, moments)],
        env={
            **os.environ,
            "KILL_BASE": str(base),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def prepare(house: House, tmp_path: Path) -> Path:
    """A first load is done; since then a file is new, one has grown, one was replaced, two hold faults."""
    base = tmp_path / "base"
    house.write("zendesk/users/grows.jsonl", users(["g1", "g2"]))
    house.write("zendesk/users/replaced.jsonl", users(["old", "r1"]) + "broken\n")
    house.write("zendesk/users/same.jsonl", users(["s1"]))
    house.write("zendesk/comments/c.jsonl", json.dumps({"id": 1, "created_at": "2026-01-01"}))
    extract("zendesk")
    house.append("zendesk/users/grows.jsonl", users(["g3"]) + "broken\n" + user("g4"))
    house.write("zendesk/users/replaced.jsonl", users(["new", "r1"]) + "broken\n")
    house.write("zendesk/users/fresh.jsonl.gz", users(f"f{number}" for number in range(2000)))
    base.mkdir()
    if settings().target == "spark":
        shutil.copytree(tmp_path / "lake", base / "lake")
    else:
        shutil.copy2(tmp_path / "warehouse.duckdb", base)
    for folder in ("dlt", "sources"):
        shutil.copytree(tmp_path / folder, base / folder)
    return base


# what two undisturbed runs over the files of `prepare` come to: (id, is current, how often)
ROWS = sorted(
    [
        *([f"f{number}", True, 1] for number in range(2000)),
        *([id_, True, 1] for id_ in ("g1", "g2", "g3", "g4", "new", "s1")),
        ["old", False, 1],
        ["r1", False, 1],
        ["r1", True, 1],
    ]
)
FAULTS = [["users/grows.jsonl", 4], ["users/replaced.jsonl", 3], ["users/replaced.jsonl", 3]]


def check(reports: list[dict[str, Any]]) -> None:
    """After every kill and one more run: each record once, each fault once, each file version once."""
    for killed, after in zip(reports[::2], reports[1::2], strict=True):
        assert sorted(after["rows"]) == ROWS, killed
        assert after["faults"] == FAULTS, killed
        assert len(after["ledger"]) == 7 and sum(current for *_, current in after["ledger"]) == 6, killed


@pytest.fixture
def base(house: House, tmp_path: Path) -> Path:
    return prepare(house, tmp_path)


def test_killed_at_file_operations_spread_over_the_run(base: Path) -> None:
    [counted, _] = run(base, [0])
    operations = counted["operations"]
    moments: list[float] = [1 + (operations - 1) * step // 9 for step in range(10)]
    reports = run(base, moments)
    assert sum(report["killed"] for report in reports[::2]) >= 9
    check(reports)


@pytest.mark.slow
def test_killed_at_a_hundred_moments(base: Path) -> None:
    [counted, _] = run(base, [0])
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    operations = range(1, counted["operations"])
    at_operations = chance.sample(operations, min(70, len(operations)))
    after_seconds = [0.001 + chance.random() * counted["seconds"] for _ in range(100 - len(at_operations))]
    check(run(base, [*at_operations, *after_seconds]))
