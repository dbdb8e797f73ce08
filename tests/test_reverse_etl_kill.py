"""kill -9 at any moment of a sync, and a second run: nobody lost, nobody twice, and a third run has nothing to do."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House
from vtiger_server import VtigerServer

from kinship.settings import ROOT
from reverse_etl import run_sync

ROWS = 30


def people(*numbers: int, stage: str = "lead") -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n}", "email": f"p{n}@example.com", "lastname": f"N{n}", "cf_kinship_stage": stage}
        for n in numbers
    ]


def content(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((row["email"], row["lastname"], row["cf_kinship_stage"]) for row in rows)


def prepare(house: House) -> list[dict[str, Any]]:
    """A first run is done; since then people came, changed, left, withdrew, and one has a new key."""
    house.consent([(f"c{n}", "granted") for n in range(ROWS)])
    house.want(people(*range(20)))
    run_sync(house.sync, house.settings)
    shutil.copytree(house.settings.ledger, house.settings.state / "ledger.before")
    house.consent([(f"c{n}", "granted") for n in range(2, ROWS)])
    rows = [
        *people(*range(2, 10)),
        *people(*range(10, 17), stage="customer"),
        {**people(17)[0], "email": "new@example.com"},
        *people(*range(18, ROWS)),
    ]
    house.want(rows)
    return rows


def drive(
    folder: Path, moments: list[float], before: Callable[[], None], after: Callable[[dict[str, Any]], None]
) -> int:
    """Run the attempts, with `before` and `after` each; how many operations the last one that was not killed made."""
    operations = 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    before()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "reverse_etl_killed.py"), str(folder), *map(str, moments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as driver:  # fmt: skip
        assert driver.stdin and driver.stdout
        for line in driver.stdout:
            told = json.loads(line)
            if "operations" in told:
                operations = told["operations"]
                continue
            assert told["finished"] == 0, told
            after(told)
            before()
            driver.stdin.write("\n")
            driver.stdin.flush()
    assert driver.returncode == 0
    return operations


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VtigerServer]:
    with VtigerServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def kill_vtiger(tmp_path: Path, server: VtigerServer, moments_of: Callable[[int], list[float]]) -> int:
    """Kill syncs to Vtiger; returns how many were hit."""
    options = {"settle_seconds": 0.1, "batch_size": 8}
    house = House(
        tmp_path, "sync_vtiger__contacts", object="Contacts", mode="mirror", max_change_share=1, options=options
    )
    house.keep()
    rows = prepare(house)
    records, number = {i: dict(r) for i, r in server.crm.records.items()}, server.crm._number
    killed = 0

    def reset() -> None:
        server.crm.records = {i: dict(r) for i, r in records.items()}
        server.crm.deleted, server.crm._number = set(), number

    def check(told: dict[str, Any]) -> None:
        nonlocal killed
        killed += told["killed"]
        assert content(server.crm.live()) == content(rows), told

    operations = drive(tmp_path, [0], reset, check)
    assert operations > 20
    drive(tmp_path, moments_of(operations), reset, check)
    return killed


def test_vtiger_killed_at_moments_spread_over_the_run(tmp_path: Path, server: VtigerServer) -> None:
    def moments(operations: int) -> list[float]:
        return [*(1 + (operations - 1) * step // 7 for step in range(8)), 0.11, 0.17, 0.23, 0.31]

    assert kill_vtiger(tmp_path, server, moments) >= 10


@pytest.mark.slow
def test_vtiger_killed_at_sixty_moments(tmp_path: Path, server: VtigerServer) -> None:
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))

    def moments(operations: int) -> list[float]:
        at_calls = [float(chance.randint(1, operations)) for _ in range(25)]
        return [*at_calls, *(0.05 + chance.random() * 0.35 for _ in range(35))]

    assert kill_vtiger(tmp_path, server, moments) >= 50


def test_files_killed_at_moments_spread_over_the_run(tmp_path: Path) -> None:
    house = House(tmp_path, "sync_file__people", mode="mirror", max_change_share=1, options={"batch_size": 10})
    house.keep()
    rows = prepare(house)
    outbox, kept = tmp_path / "outbox", tmp_path / "outbox.before"
    shutil.copytree(outbox, kept)
    killed = 0

    def reset() -> None:
        shutil.rmtree(outbox)
        shutil.copytree(kept, outbox)

    def check(told: dict[str, Any]) -> None:
        nonlocal killed
        killed += told["killed"]
        state: dict[str, dict[str, str]] = {}
        seen: dict[str, list[str]] = {}
        for manifest in sorted(outbox.rglob("*.manifest.json")):
            with (manifest.parent / json.loads(manifest.read_text())["file"]).open(newline="") as file:
                for row in csv.DictReader(file):
                    seen.setdefault(row["email"], []).append(manifest.name)
                    if row["_operation"] == "remove":
                        state.pop(row["email"], None)
                    else:
                        state[row["email"]] = row
        assert content(list(state.values())) == content(rows), told
        # one file of the first run, one of the second
        assert max(len(names) for names in seen.values()) <= 2, told

    operations = drive(tmp_path, [0], reset, check)
    drive(tmp_path, [float(1 + (operations - 1) * step // 3) for step in range(4)], reset, check)
    assert killed >= 3
