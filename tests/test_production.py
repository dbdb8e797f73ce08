"""What an installation that stays up relies on: history in PostgreSQL, two services, a backup that can be restored."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import httpx
import pytest
from conftest import KINSHIP, ROOT, call, environment
from ports import free_port
from servers import postgres

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")


@dg.job
def idle() -> None:
    @dg.op
    def nothing() -> None:
        pass

    nothing()


def test_history_is_kept_in_postgres_and_the_password_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.instance import open_instance

    with postgres.database() as database:
        monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
        monkeypatch.setenv("KINSHIP_DAGSTER_POSTGRES", database.url)
        with open_instance() as instance:
            run = idle.execute_in_process(instance=instance)
        assert database.query("select status from runs where run_id = %s", run.run_id) == [("SUCCESS",)]
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert (tmp_path / "dagster" / "dagster.yaml") in written
        assert not [path for path in written if postgres.PASSWORD.encode() in path.read_bytes()]


def test_a_server_that_lets_nobody_in_is_said_so_without_its_address(company: Path) -> None:
    with postgres.database() as database:
        wrong = database.url.replace(postgres.PASSWORD, "wrong-secret")
        done = call(KINSHIP, "run", "--rebuild", env=environment(company, KINSHIP_DAGSTER_POSTGRES=wrong))
    told = done.stdout + done.stderr
    assert done.returncode == 2 and "KINSHIP_DAGSTER_POSTGRES: no history can be kept there" in told
    assert "wrong-secret" not in told and database.name not in told


def test_a_backup_put_back_is_the_warehouse_of_that_moment(company: Path, tmp_path: Path) -> None:
    told = call(KINSHIP, "backup", str(tmp_path / "backups"), env=environment(company))
    assert told.returncode == 0, told.stderr
    (copy,) = (tmp_path / "backups").iterdir()
    assert not list((copy / "sources").iterdir()) and {path.name for path in (copy / "published").iterdir()} <= {
        "mask.key"
    }
    assert copy.stat().st_mode & 0o077 == 0
    names = {path.relative_to(company) for path in company.rglob("*") if path.is_file()}
    kept = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    left_out = {
        name for name in names - kept if name.parts[0] not in ("sources", "published") and name.suffix != ".wal"
    }
    assert left_out == set() and Path("ledger/sync_file__cart_abandoned.duckdb") in kept
    for path in copy.rglob("*.db"):
        with sqlite3.connect(path) as history:
            assert history.execute("pragma integrity_check").fetchone() == ("ok",)

    sources = shutil.move(company / "sources", tmp_path / "sources")
    shutil.rmtree(company)
    shutil.copytree(copy, company)
    (company / "sources").rmdir()
    shutil.move(sources, company / "sources")
    again = call(KINSHIP, "run", env=environment(company))
    assert again.returncode == 0 and "nothing is new in any source" in again.stdout, again.stdout + again.stderr


def test_a_backup_waits_for_nobody_and_leaves_no_half(company: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(company / "ledger" / "sync_file__cart_abandoned.duckdb")):
        busy = call(KINSHIP, "backup", str(tmp_path / "backups"), env=environment(company))
    assert busy.returncode == 1 and "a sync is under way" in busy.stderr
    assert list((tmp_path / "backups").iterdir()) == []
    inside = call(KINSHIP, "backup", str(company / "backups"), env=environment(company))
    assert inside.returncode == 2 and "name a folder outside" in inside.stderr
    nothing = call(KINSHIP, "backup", str(tmp_path / "backups"), env=environment(tmp_path / "empty"))
    assert nothing.returncode == 2 and "no warehouse" in nothing.stderr


def test_the_lineage_is_one_page_that_needs_nothing_else(company: Path) -> None:
    done = call(KINSHIP, "docs", env=environment(company))
    assert done.returncode == 0, done.stderr
    page = (company / "docs" / "index.html").read_text()
    assert f"models, columns and lineage: {company / 'docs' / 'index.html'}" in done.stdout
    for node in ("model.kinship.customers", "source.kinship.shopify.orders", "exposure.kinship."):
        assert node in page
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        emails = warehouse.execute("select email from customers.customers where email is not null").fetchall()
    assert emails and not [None for (email,) in emails if email in page]


@contextmanager
def service(*arguments: str, env: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [KINSHIP, *arguments], env=env, cwd=ROOT, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@pytest.mark.slow
def test_two_services_run_what_they_are_asked_to(company: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/graphql"

    def ask(query: str, **variables: Any) -> Any:
        return httpx.post(url, json={"query": query, "variables": variables}, timeout=60).json()["data"]

    with postgres.database() as database:
        env = environment(company, KINSHIP_DAGSTER_POSTGRES=database.url)
        with (
            service("webserver", "--port", str(port), env=env, log=tmp_path / "ui.log"),
            service("daemon", env=env, log=tmp_path / "daemon.log"),
        ):
            deadline = time.monotonic() + 240
            while True:
                try:
                    version = ask("{ version }")
                    break
                except httpx.HTTPError:
                    assert time.monotonic() < deadline, (tmp_path / "ui.log").read_text()[-2000:]
                    time.sleep(1)
            assert version["version"] == dg.__version__
            launched = ask(
                "mutation($job: String!) { launchRun(executionParams: {selector: {jobName: $job, repositoryName:"
                ' "__repository__", repositoryLocationName: "orchestration.definitions"}, runConfigData: {}})'
                " { __typename ... on LaunchRunSuccess { run { runId } } } }",
                job="extract",
            )["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", json.dumps(launched)
            run = launched["run"]["runId"]
            while (status := database.query("select status from runs where run_id = %s", run)[0][0]) != "SUCCESS":
                assert status not in ("FAILURE", "CANCELED") and time.monotonic() < deadline + 240, status
                time.sleep(1)
        assert postgres.PASSWORD not in (tmp_path / "ui.log").read_text() + (tmp_path / "daemon.log").read_text()
