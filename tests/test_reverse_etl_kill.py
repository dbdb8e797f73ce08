"""kill -9 at any moment of a sync, and a second run: nobody lost, nobody twice, and a third run has nothing to do."""

import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from reverse_etl_sink import SinkServer, use_sink, wait_for
from servers.base import Faults
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
    house.consent([(f"c{n}", "granted") for n in range(2, ROWS)])
    rows = [
        *people(*range(2, 10)),
        *people(*range(10, 17), stage="customer"),
        {**people(17)[0], "email": "new@example.com"},
        *people(*range(18, ROWS)),
    ]
    house.want(rows)
    keep(house)
    return rows


def keep(house: House) -> None:
    """What every attempt begins with."""
    before = house.settings.state / "before"
    shutil.copytree(house.settings.ledger, before / "ledger")
    shutil.copyfile(house.settings.warehouse, before / "warehouse.duckdb")


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
        use(monkeypatch, server)
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


PEOPLE = 160


def sink_rows(numbers: range, value: str) -> list[dict[str, Any]]:
    return [{"customer_id": f"c{n}", "email": f"p{n}", "value": f"{value}{n}"} for n in numbers]


def kill_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: int, weather: Callable[[int], Faults]
) -> Counter[str]:
    """Kill syncs with four batches on their way, in bad weather; in every second attempt the mapping has changed when
    the next run goes on, and two of them start at once. Returns the figures."""
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    figures: Counter[str] = Counter()
    with SinkServer() as server:
        use_sink(monkeypatch, server)
        house = House(tmp_path, "sync_sink__people", mode="mirror", max_change_share=1, options={"batch_size": 10})
        house.keep()
        house.consent([(f"c{n}", "granted") for n in range(PEOPLE)])
        house.want(sink_rows(range(80), "a"))
        run_sync(house.sync, house.settings)
        rows = [*sink_rows(range(20, 40), "a"), *sink_rows(range(40, PEOPLE), "b")]
        house.want(rows)
        keep(house)
        # as after a change of the mapping, and half of the source has not arrived
        later = sink_rows(range(30, PEOPLE - 40), "c")
        house.want(later)
        shutil.copyfile(house.settings.warehouse, tmp_path / "after.duckdb")
        records = dict(server.records)

        def reset() -> None:
            server.records = dict(records)
            server.faults = weather(chance.randint(0, 10**6))

        def check(told: dict[str, Any]) -> None:
            figures["killed"] += told["killed"]
            figures["changed"] += told["changed"]
            wanted = Counter((row["email"], row["value"]) for row in (later if told["changed"] else rows))
            held = Counter(server.held)
            figures["lost"] += (wanted - held).total()
            figures["doubled"] += (held - wanted).total()
            assert held == wanted, told
            assert not server.broken

        operations = drive(tmp_path, [0], reset, check)
        assert operations > 40
        moments = [
            float(chance.randint(1, operations)) if n % 3 else 0.03 + chance.random() * 0.4 for n in range(attempts)
        ]
        drive(tmp_path, moments, reset, check)
    print(f"\n{attempts} runs: {figures['killed']} killed, {figures['changed']} found another warehouse; rows lost "
          f"{figures['lost']}, rows doubled {figures['doubled']}")  # fmt: skip
    return figures


def bad_weather(seed: int) -> Faults:
    return Faults(seed=seed, drop_before=0.03, drop_after=0.05, unavailable=0.03, too_many=0.1, latency=0.005)


def test_killed_with_several_batches_on_their_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = kill_sink(tmp_path, monkeypatch, 20, bad_weather)
    assert figures["killed"] >= 12 and figures["lost"] == figures["doubled"] == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_two_hundred_and_forty_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = kill_sink(tmp_path, monkeypatch, 240, bad_weather)
    assert figures["killed"] >= 200 and figures["lost"] == figures["doubled"] == 0


LONE_RUN = """
import sys
from pathlib import Path
import reverse_etl.config, reverse_etl_sink
from reverse_etl_house import House, use
from reverse_etl import run_sync, SyncError
reverse_etl.config.destination_class = reverse_etl_sink.find_sink
house = House.existing(Path(sys.argv[1]))
try:
    run_sync(house.sync, house.settings)
except SyncError as error:
    print(error)
    sys.exit(9)
"""


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, SinkServer]]:
    with SinkServer() as server:
        use_sink(monkeypatch, server)
        house = House(tmp_path, "sync_sink__people", mode="mirror", max_change_share=1, options={"batch_size": 10})
        house.consent([(f"c{n}", "granted") for n in range(20_000)])
        house.keep()
        yield house, server


def lone_run(house: House, before: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    """A run in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    return subprocess.Popen(
        [sys.executable, "-c", LONE_RUN, str(house.settings.state)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=before,
    )  # fmt: skip


def in_background() -> None:
    """As a script's shell begins what is followed by &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def in_foreground() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("begun", [in_foreground, in_background])
def test_a_run_that_is_broken_off_leaves_claims_and_the_next_goes_on(
    sink: tuple[House, SinkServer], number: signal.Signals, begun: Callable[[], None]
) -> None:
    house, server = sink
    is_broken_off = threading.Event()
    # no run ends before the signal: from 240 rows on nothing is answered
    server.on_request = lambda _: len(server.records) < 240 or is_broken_off.wait(60)
    house.want(sink_rows(range(2000), "a"))
    with lone_run(house, begun) as process:
        wait_for(lambda: len(server.records) >= 240 and server.at_once >= 4, 120)
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    is_broken_off.set()
    wait_for(lambda: server.at_once == 0)  # what was on its way arrives, too
    assert process.returncode != 0 and "KeyboardInterrupt" in told
    accepted, claimed = house.query_ledger("select (select count(*) from accepted), (select count(*) from claims)")[0]
    assert 0 < accepted < 2000 and len(server.records) - accepted <= claimed <= 40
    assert house.query("select status, added from reverse_etl.sync_runs") == [("interrupted", accepted)]
    assert run_sync(house.sync, house.settings).added == 2000 - accepted
    assert server.held == sorted((row["email"], row["value"]) for row in sink_rows(range(2000), "a"))


def test_a_full_disk_loses_nothing(sink: tuple[House, SinkServer]) -> None:
    house, server = sink
    # rows whose ledger outgrows what the process may write to one file
    rows = [{**row, "email": f"{row['email']}-{'k' * 150}"} for row in sink_rows(range(4000), "a")]
    house.reload(options={"batch_size": 100})
    house.keep()
    house.want(rows)

    def fill_up() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))

    with lone_run(house, fill_up) as process:
        told, trace = process.communicate(timeout=60)
    assert process.returncode == 9, trace
    assert "the ledger cannot be written" in told and "make room" in told and "kkk" not in told
    assert 0 < len(server.records) < 4000
    result = run_sync(house.sync, house.settings)
    assert result.status == "done"
    assert server.held == sorted((row["email"], row["value"]) for row in rows)
    assert run_sync(house.sync, house.settings).calls == 0
