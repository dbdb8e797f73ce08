"""kill -9 at any moment of a live extraction, and a second run, give each record that the system holds exactly once."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_house import live
from servers.shopify import ShopifyServer

from kinship.settings import ROOT
from orchestration.extract import extract

FIRST = "2026-01-01T10:00:00Z"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopifyServer]:
    """A shop whose first 200 customers are loaded; since then 100 changed, and 300 are new."""
    with ShopifyServer() as server:
        server.leak = 10_000.0
        live(server, tmp_path / "base", monkeypatch)
        for number in range(200):
            server.put("customers", number, updated_at=FIRST, email="old")
        extract("shopify")
        for number in range(100, 500):
            server.put("customers", number, updated_at=f"2026-02-01T10:00:{number // 20:02d}Z", email="new")
        server.size = 10
        yield server


def run(base: Path, moments: list[float]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("live_killed.py")), *map(str, moments)],
        env={**os.environ, "KILL_BASE": str(base), "KILL_SOURCE": "shopify", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(shop: ShopifyServer, reports: list[dict[str, Any]]) -> None:
    """Each appearance once, and no file is left over."""
    expected = sorted(
        [
            *([str(number), FIRST, "old", 1] for number in range(200)),
            *([str(row["id"]), row["updated_at"], "new", 1] for row in shop.rows("customers") if row["email"] == "new"),
        ]
    )
    for killed, after in zip(reports[::2], reports[1::2], strict=True):
        assert sorted(after["rows"]) == expected, killed
        assert after["left"] == [], killed


def test_killed_at_operations_spread_over_the_run(shop: ShopifyServer, tmp_path: Path) -> None:
    [counted, _] = run(tmp_path / "base", [0])
    moments: list[float] = [1 + (counted["operations"] - 1) * step // 5 for step in range(6)]
    reports = run(tmp_path / "base", moments)
    assert sum(report["killed"] for report in reports[::2]) >= 5
    check(shop, reports)


@pytest.mark.slow
def test_killed_at_a_hundred_moments(shop: ShopifyServer, tmp_path: Path) -> None:
    [counted, _] = run(tmp_path / "base", [0])
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    operations = range(1, counted["operations"])
    at_operations = chance.sample(operations, min(70, len(operations)))
    after_seconds = [0.001 + chance.random() * counted["seconds"] for _ in range(100 - len(at_operations))]
    check(shop, run(tmp_path / "base", [*at_operations, *after_seconds]))
