"""Dagster's side: the graph reads as the flow, gates stop what lies behind them, alerts arrive."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, environment

from kinship.errors import WrongUse
from orchestration.extract import sources

# dagster-dbt's SQL parser warns its developers on import
pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def definitions(built_company: Path) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", str(built_company))
        from orchestration.definitions import defs

        yield defs


def graph(definitions: dg.Definitions) -> Any:
    return definitions.resolve_asset_graph()


def test_groups_are_the_layers(definitions: dg.Definitions) -> None:
    assets = graph(definitions)
    groups = {assets.get(key).group_name for key in assets.get_all_asset_keys()}
    layers = {"extract", "seeds", "staging", "identity", "customers", "segments", "activation", "reverse_etl"}
    assert layers <= groups <= layers | {"predictions", "metrics", "reporting", "published"}


def test_a_segment_says_who_is_in_and_whose_it_is(definitions: dg.Definitions) -> None:
    segment = graph(definitions).get(dg.AssetKey(["segments", "loyal_customers"]))
    assert segment.description.startswith("people with three orders or more")
    assert segment.owners == ["crm@example.com"]


def test_what_reads_all_segments_stands_after_them(definitions: dg.Definitions) -> None:
    assets = graph(definitions)
    segments = {dg.AssetKey(["segments", path.stem]) for path in (ROOT / "models" / "segments").glob("*.sql")}
    for schema, table in (("segments", "segment_memberships"), ("reporting", "rpt_segment_sizes")):
        assert segments <= assets.get(dg.AssetKey([schema, table])).parent_keys


def test_lineage_runs_from_extraction_to_the_destination(definitions: dg.Definitions) -> None:
    assets = graph(definitions)
    assert all(assets.get(key).is_materializable for key in assets.get_all_asset_keys())
    sync = dg.AssetKey(["reverse_etl", "sync_file__cart_abandoned"])
    above, todo = set(), [sync]
    while todo:
        for parent in assets.get(todo.pop()).parent_keys - above:
            above.add(parent)
            todo.append(parent)
    for key in (["raw_shopify", "orders"], ["raw_segment", "events"], ["identity", "identity_graph"]):
        assert dg.AssetKey(key) in above


def test_everything_that_writes_the_warehouse_takes_its_turn(definitions: dg.Definitions) -> None:
    for name in ("pipeline", "source_shopify", "backfill_shopify"):
        job = definitions.resolve_job_def(name)
        assert [node.name for node in job.nodes if "writer" not in node.definition.required_resource_keys] == []


def test_nothing_runs_unasked(definitions: dg.Definitions) -> None:
    of_sources = {f"source_{name}" for name in sources()}
    assert {schedule.name for schedule in definitions.schedules or ()} == {"hourly", "nightly", *of_sources}
    for schedule in definitions.schedules or ():
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    for sensor in definitions.sensors or ():
        assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_source_has_its_own_job_pace_and_freshness(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.source_jobs import HOURLY, freshness, source_schedules

    monkeypatch.setenv("KINSHIP_SHOPIFY_SCHEDULE", "*/10 * * * *")
    monkeypatch.setenv("KINSHIP_SHOPIFY_LATE_HOURS", "2")
    paces = {schedule.name: schedule.cron_schedule for schedule in source_schedules()}
    assert paces["source_shopify"] == "*/10 * * * *" and paces["source_zendesk"] == HOURLY
    assert freshness("shopify") == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=2), fail_window=timedelta(hours=3)
    )
    assert freshness("zendesk") != freshness("shopify")
    monkeypatch.setenv("KINSHIP_SHOPIFY_SCHEDULE", "often")
    with pytest.raises(WrongUse, match="KINSHIP_SHOPIFY_SCHEDULE is 'often'"):
        source_schedules()


def test_the_job_of_a_source_takes_in_that_source_only(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("source_shopify")
    assert {node.name for node in job.nodes} == {"extract_shopify"}
    backfill = definitions.resolve_job_def("backfill_shopify")
    assert backfill.partitions_def is not None and len(backfill.partitions_def.get_partition_keys()) > 4000


def test_new_files_start_the_pipeline_once_they_are_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.schedules import new_files

    monkeypatch.setenv("KINSHIP_SOURCES", str(tmp_path))
    sensor = new_files()

    def tick(cursor: str | None) -> tuple[int, str | None]:
        context = dg.build_sensor_context(cursor=cursor)
        outcome = sensor.evaluate_tick(context)
        return len(outcome.run_requests or ()), outcome.cursor

    assert tick(None) == (0, None)
    file = tmp_path / "shopify" / "customers" / "2026-01-01.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{}\n")
    assert tick(None)[0] == 0, "a file of this second may still grow"
    old = file.stat().st_mtime - 60
    os.utime(file, (old, old))
    requests, cursor = tick(None)
    assert requests == 1
    assert tick(cursor)[0] == 0
    file.write_text("{}\n{}\n")
    os.utime(file, (old, old))
    assert tick(cursor)[0] == 1


def test_a_run_whose_process_died_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    from kinship.pipeline import HOST_TAG, PID_TAG, clear_dead_runs
    from orchestration.instance import open_instance

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with open_instance() as instance:
        runs = {
            pid: instance.create_run_for_job(
                _job(), tags={PID_TAG: str(pid), HOST_TAG: os.uname().nodename}, status=dg.DagsterRunStatus.STARTED
            ).run_id
            for pid in (ended.pid, os.getpid())
        }
        clear_dead_runs(instance)
        status = {pid: instance.get_run_by_id(run_id) for pid, run_id in runs.items()}
        dead, alive = status[ended.pid], status[os.getpid()]
        assert dead is not None and dead.status == dg.DagsterRunStatus.FAILURE
        assert alive is not None and alive.status == dg.DagsterRunStatus.STARTED


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def idle() -> None:
        nothing()

    return idle


def test_a_source_that_sends_rubbish_stops_the_run_before_anything_is_built(company: Path) -> None:
    files = sorted((company / "sources" / "shopify" / "customers").glob("*.jsonl.gz"))
    with gzip.open(files[-1], "at") as file:
        file.write("{broken\n" * 500)
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        before = warehouse.execute("select count(*), bit_xor(hash(c)) from customers.customers as c").fetchone()
    done = call(KINSHIP, "run", env=environment(company))
    assert done.returncode == 3, done.stdout
    assert "failed raw_shopify.customers: not so that at most 5% of the records are in quarantine" in done.stdout
    assert "the line is not JSON" in done.stdout
    assert "staging, identity, customers" not in done.stdout and "sync file" not in done.stdout
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        after = warehouse.execute("select count(*), bit_xor(hash(c)) from customers.customers as c").fetchone()
    assert after == before


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        # the first call meets a hiccup: the alert must come through all the same
        self.send_response(503 if len(server.bodies) == 1 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), _Hook) as server:
        hook: Any = server
        hook.bodies = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


@pytest.fixture
def mailbox() -> Iterator[Any]:
    from aiosmtpd.smtp import SMTP

    class Mailbox:
        def __init__(self) -> None:
            self.letters: list[Any] = []

        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
            self.letters.append(envelope)
            return "250 OK"

    box: Any = Mailbox()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield box
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


def test_a_failed_run_is_told_by_webhook_and_mail_without_anyones_data(
    webhook: Any, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.alerts import failure_alert

    monkeypatch.setenv("KINSHIP_ALERT_WEBHOOK", f"http://127.0.0.1:{webhook.server_port}/hook")
    monkeypatch.setenv("KINSHIP_ALERT_EMAIL", "ops@example.com")
    monkeypatch.setenv("KINSHIP_SMTP_URL", f"smtp://127.0.0.1:{mailbox.port}")

    @dg.op
    def breaks() -> None:
        raise ValueError("jane@example.org could not be cast")

    @dg.job
    def doomed() -> None:
        breaks()

    with dg.DagsterInstance.ephemeral() as instance:
        result = doomed.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_alert",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        failure_alert()(context)

    assert len(webhook.bodies) == 2, "the first call failed and was made again"
    body = webhook.bodies[-1]
    assert body["event"] == "run_failed"
    assert (body["run_id"], body["job"], body["steps"]) == (result.run_id, "doomed", ["breaks"])
    assert body["errors"] == ["ValueError"]
    (letter,) = mailbox.letters
    assert letter.rcpt_tos == ["ops@example.com"]
    text = letter.content.decode()
    assert "doomed failed in breaks" in text
    assert "jane" not in json.dumps(body) + text
