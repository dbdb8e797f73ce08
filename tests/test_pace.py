"""A source that answers slowly holds up nobody: others load beside it, and what it tells is there once, row for row."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import source_run
from conftest import KINSHIP, ROOT, call, environment
from extract_house import query, users
from live_house import appearances, differences, live
from servers.ads import AdsServer
from servers.base import Answer, Request, ToolServer
from servers.shopify import ShopifyServer

from kinship.settings import settings
from kinship.writing import Turn
from orchestration.extract import extract

# dagster-dbt's SQL parser warns its developers on import
pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")

LONG = 120.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["source_run"])


class Gate(ToolServer):
    """Calls whose path has `slow` in it wait until the gate is opened."""

    slow = ""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.reached = threading.Event()

    def answer(self, request: Request) -> Answer | None:
        if self.slow in request.path and not self.gate.is_set():
            self.reached.set()
            assert self.gate.wait(10 * LONG)
        return super().answer(request)


class SlowAds(Gate, AdsServer):
    slow = "insights"


class SlowShop(Gate, ShopifyServer):
    slow = "/orders"
    leak = 10_000.0

    def calls_for(self, table: str) -> int:
        """How many calls there were for a table."""
        return sum(f"/{table}.json" in request.path for request in self.requests)

    def is_waiting(self) -> bool:
        """Wait until the customers have arrived, and the orders are asked for."""
        deadline = time.monotonic() + LONG
        while not list(settings().state.glob("arrivals/shopify/*/customers/*.jsonl.gz")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self.reached.wait(LONG)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowShop]:
    """Of its 60 customers and 40 orders the customers arrive, and the orders wait behind the gate."""
    with SlowShop() as server:
        live(server, tmp_path, monkeypatch)
        for number in range(60):
            server.put("customers", number, email=f"p{number}@example.com")
        for number in range(40):
            server.put("orders", number, created_at="2026-01-01T10:00:00Z")
        yield server
        server.gate.set()


class Started:
    """A run in a process of its own."""

    def __init__(self, job: str, log: Path) -> None:
        self.log = log
        self.process = FORKS.Process(target=source_run.run, args=(job, dict(os.environ), log))
        self.process.start()

    def is_running(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def has_said(self, line: str) -> bool:
        """Wait until it has logged this, or is at its end."""
        while self.is_running() and line not in self.log.read_text():
            time.sleep(0.05)
        return line in self.log.read_text()

    def ended(self, code: int = 0) -> str:
        """Wait for its end; what it logged."""
        self.process.join(LONG)
        assert self.process.exitcode == code, self.log.read_text()[-3000:]
        return self.log.read_text()


Run = Callable[[str], Started]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Starts runs, and kills those that are left at the end."""
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{Path(__file__).parent}")
    started: list[Started] = []

    def start(job: str) -> Started:
        (tmp_path / "logs").mkdir(exist_ok=True)
        log = tmp_path / "logs" / str(len(started))
        log.touch()
        started.append(Started(job, log))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def write_users() -> None:
    folder = settings().sources / "zendesk" / "users"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text(users(range(5)))


def is_right(shop: SlowShop) -> None:
    """Each record is there once as the shop holds it, and no file is left."""
    for table, count in (("customers", 60), ("orders", 40)):
        assert differences(shop, "shopify", table) == []
        assert appearances("shopify", table) == count
    assert [path for path in (settings().state / "arrivals").rglob("*") if path.is_file()] == []


def test_others_load_while_a_source_is_fetched(shop: SlowShop, run: Run) -> None:
    write_users()
    slow = run("source_shopify")
    assert shop.is_waiting()
    asked = shop.calls_for("customers")
    run("source_zendesk").ended()
    assert query("select count(*) from raw_zendesk.users") == [(5,)]
    assert "what has arrived so far is loaded" in run("both").ended()
    assert slow.is_running() and shop.calls_for("customers") == asked, "one run still fetches the source"
    assert (appearances("shopify", "customers"), appearances("shopify", "orders")) == (60, 0)
    shop.gate.set()
    slow.ended()
    is_right(shop)


def test_what_was_fetched_is_loaded_when_nobody_else_writes(shop: SlowShop, run: Run) -> None:
    slow = run("source_shopify")
    assert shop.is_waiting()
    told: list[str] = []
    with (
        Turn("run 12345678 (pipeline)").held(told.append),
        duckdb.connect(str(settings().warehouse)),  # which no other process can open now
    ):
        shop.gate.set()
        assert slow.has_said("waiting for run 12345678 (pipeline), which writes the warehouse") and told == []
    slow.ended()
    is_right(shop)


def test_two_runs_of_a_source_ask_it_one_after_the_other(shop: SlowShop, run: Run) -> None:
    first = run("source_shopify")
    assert shop.is_waiting()
    second = run("source_shopify")
    assert second.has_said("waiting for another extraction of shopify to end")
    shop.gate.set()
    first.ended()
    second.ended()
    # the first one asks for all there is, the second whether there is anything new
    assert (shop.calls_for("customers"), shop.calls_for("orders")) == (2, 2)
    is_right(shop)


def test_a_run_that_is_killed_while_it_fetches_leaves_the_next_one_right(shop: SlowShop, run: Run) -> None:
    slow = run("source_shopify")
    assert shop.is_waiting()
    slow.kill()
    shop.gate.set()
    run("source_shopify").ended()
    assert shop.calls_for("customers") == 2, "the customers had arrived"
    is_right(shop)


def test_what_had_arrived_of_a_source_that_fails_is_loaded(
    shop: SlowShop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = run("source_shopify")
    assert shop.is_waiting()
    slow.kill()
    shop.gate.set()
    with monkeypatch.context() as patch:
        patch.setenv("SHOPIFY_ACCESS_TOKEN", "wrong")
        told = run("source_shopify").ended(1)
    assert "refuses the credentials" in told and "60 rows that had arrived are loaded" in told
    assert appearances("shopify", "customers") == 60
    run("source_shopify").ended()
    is_right(shop)


def test_a_killed_process_gives_its_turn_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    code = "from kinship.writing import Turn; turn = Turn('it'); turn.take(print); print('taken', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "taken\n"
        told: list[str] = []

        def end_it(line: str) -> None:
            told.append(line)
            holder.kill()

        with Turn("we").held(end_it):
            assert told == ["waiting for it, which writes the warehouse"] and holder.wait() < 0


@pytest.mark.slow
def test_the_pipeline_builds_while_a_source_is_fetched(
    company: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SlowAds() as ads:
        live(ads, company, monkeypatch)
        monkeypatch.setenv("KINSHIP_ACCEPT_CHANGE", "1")  # the costs are other ones than those of the files
        days = [(datetime.now(UTC) - timedelta(days=back)).date().isoformat() for back in range(2, 20)]
        for day in days:
            ads.costs |= {("google", "1", day): 100, ("meta", "2", day): 200}
        ads.gate.set()
        extract("ads")
        ads.costs["meta", "3", days[0]] = 300
        ads.gate.clear()
        slow = run("source_ads")
        assert ads.reached.wait(LONG)
        done = call(KINSHIP, "run", env=environment(company, KINSHIP_ACCEPT_CHANGE="1", **ads.environment))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "nothing is new" not in done.stdout and slow.is_running()
        ads.gate.set()
        slow.ended()
    costs = query(
        "select date, count(*), sum(cast(cost as decimal(9, 2)) * 100)::int from raw_ads.campaign_costs"
        " where _file_id in (select file_id from raw_ads.extracted_files where is_current)"
        " group by all order by all desc"
    )
    assert costs == [(day, 3, 600) if day == days[0] else (day, 2, 300) for day in days]
