"""kill -9 at any moment of an extraction from a database or a drop, and one more run, give what is over there, once."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from database_house import STAMP, TABLE, compare_always, insert
from drop_house import Remote, S3Drop, SftpDrop
from extract_house import House, house, users
from servers import mariadb, postgres
from servers.s3 import bucket
from servers.sftp import SftpServer

from kinship.settings import ROOT
from orchestration.extract import extract

new_house = pytest.fixture(house, name="house")
KINDS = {"postgres": 30, "log": 20, "mariadb": 10, "s3": 20, "sftp": 20}
"""What is killed, and at how many moments of the hundred."""


@dataclass
class Killed:
    """A silo of which a first run has taken everything, and what kills the next ones."""

    kind: str
    base: Path

    def run(self, moments: list[float]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("silo_killed.py")), self.kind, *map(str, moments)],
            env={**os.environ, "KILL_BASE": str(self.base), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=KINDS)
def silo(
    request: pytest.FixtureRequest, tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Killed]:
    compare_always()
    killed = Killed(request.param, tmp_path / "base")
    monkeypatch.setenv("KINSHIP_DATA", str(killed.base))
    with ExitStack() as stack:
        if killed.kind in ("s3", "sftp"):
            drop: Remote
            if killed.kind == "s3":
                drop = S3Drop(stack.enter_context(bucket()))
            else:
                os.environ["KILL_FOLDER"] = str(tmp_path / "root")
                drop = SftpDrop(stack.enter_context(SftpServer(tmp_path / "root")))
            os.environ.update(drop.url())
            for number in range(4):
                drop.put(f"users/{number}.jsonl", users(f"{number}-{n}" for n in range(100)))
            drop.put("users/gone.jsonl", users(["gone"]))
            extract("zendesk")
            drop.remove("users/gone.jsonl")
            yield killed
            return
        if killed.kind == "mariadb":
            server = stack.enter_context(mariadb.database(TABLE.format(stamp=STAMP["mariadb"])))
        else:
            server = stack.enter_context(postgres.database(TABLE.format(stamp=STAMP["postgres"])))
        os.environ["KINSHIP_ZENDESK_URL"] = server.url
        os.environ["KINSHIP_ZENDESK_CDC"] = str(int(killed.kind == "log"))
        insert(server, range(40))
        extract("zendesk")
        yield killed
        if killed.kind == "log":
            server.query("select pg_drop_replication_slot('kinship_zendesk')")


def check(reports: list[dict[str, Any]]) -> int:
    """Each row that is over there stands once, and no file is left; returns how many attempts were killed."""
    for killed, after in zip(reports[::2], reports[1::2], strict=True):
        assert after["stands"] == after["holds"], killed
        assert after["left"] == [], killed
    return sum(killed["killed"] for killed in reports[::2])


def test_killed_at_operations_spread_over_the_run(silo: Killed) -> None:
    [counted, _] = silo.run([0])
    assert check(silo.run([counted["operations"] * twelfth // 12 for twelfth in (1, 2, 7)])) >= 2


@pytest.mark.slow
def test_killed_at_a_hundred_moments(silo: Killed) -> None:
    """Of those at operations half are in the first quarter, in which the silo is read; then dlt loads."""
    [counted, _] = silo.run([0])
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    wanted, operations = KINDS[silo.kind], counted["operations"]
    moments = [
        *(chance.randrange(1, operations // 4) for _ in range(wanted * 4 // 10)),
        *(chance.randrange(operations // 4, operations) for _ in range(wanted * 3 // 10)),
        *(0.001 + chance.random() * counted["seconds"] for _ in range(wanted * 3 // 10)),
    ]
    chance.shuffle(moments)
    assert check(silo.run(moments)) >= wanted * 0.6
