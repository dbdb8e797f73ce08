"""The command line as a user meets it: what it prints, and the exit code a script sees."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, addresses, call, environment


def test_help_answers_at_once(tmp_path: Path) -> None:
    done = call(KINSHIP, "--help", env=environment(tmp_path))
    assert done.returncode == 0
    assert "run" in done.stdout and "sync" in done.stdout
    # half a second; what is heavy is left to the commands that need it
    heavy = {"dagster", "dbt", "dlt", "duckdb", "great_expectations", "metricflow", "pandas", "pyarrow", "streamlit"}
    brought = call(
        Path(sys.executable), "-c", "import sys, kinship.cli; print(*sys.modules)", env=environment(tmp_path)
    )
    assert "kinship.cli" in brought.stdout.split() and not heavy & set(brought.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plan", "sync_nowhere__things"], "there is no sync 'sync_nowhere__things'; there are sync_file__"),
        (["extract", "sap"], "there is no source 'sap'; there are vtiger, shopify"),
        (["demo", "--until", "tomorrow"], "--until must be a day like 2026-06-30"),
        (["sync", "--allow-change-share", "7"], "allow-change-share"),
        (["check", "myspace"], "myspace"),
        (["fly"], "No such command"),
    ],
)
def test_wrong_use_is_2_and_says_what_is_allowed(built_company: Path, arguments: list[str], says: str) -> None:
    done = call(KINSHIP, *arguments, env=environment(built_company))
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_script_began_in_the_background_can_be_ended(tmp_path: Path) -> None:
    arguments = [KINSHIP, "demo", "--people", "1000000", "--out", str(tmp_path / "sources")]
    process = subprocess.Popen(
        arguments, env=environment(tmp_path), preexec_fn=ignore_interrupts, stderr=subprocess.PIPE, text=True
    )
    try:
        status = Path("/proc", str(process.pid), "status")
        deadline = time.monotonic() + 60
        while int(status.read_text().split("SigCgt:")[1].split()[0], 16) & 1 << signal.SIGINT - 1 == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == "kinship: interrupted; the same command takes it up again\n"
        assert process.returncode == 130
    finally:
        process.kill()
        process.wait()


def ignore_interrupts() -> None:
    """As a script's shell begins what is followed by &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_without_a_warehouse_the_message_names_the_command_that_builds_it(tmp_path: Path) -> None:
    done = call(KINSHIP, "status", env=environment(tmp_path))
    assert done.returncode == 2
    assert "`kinship run` builds it" in done.stderr


def test_a_warehouse_in_use_is_named_with_the_process_that_holds_it(company: Path) -> None:
    script = (
        f"import duckdb, sys; c = duckdb.connect({str(company / 'warehouse.duckdb')!r}); print(1); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdin
        holder.stdout.readline()
        done = call(KINSHIP, "status", env=environment(company))
        holder.stdin.close()
    assert done.returncode == 1
    assert f"in use by process {holder.pid}" in done.stderr


def test_plan_as_json_is_json_and_nothing_else(built_company: Path) -> None:
    done = call(KINSHIP, "plan", "--json", env=environment(built_company))
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert list(plan) == ["syncs"]
    assert {sync["sync"] for sync in plan["syncs"]} >= {"sync_file__cart_abandoned", "sync_vtiger__contacts"}
    for sync in plan["syncs"]:
        assert list(sync)[:6] == ["sync", "adds", "changes", "removals", "withheld", "calls"]
        assert all(isinstance(count, int) for count in sync["withheld"].values())


def test_plan_starts_without_dagster(built_company: Path) -> None:
    script = (
        "import sys; sys.argv = ['kinship', 'plan', '--json']\n"
        "from kinship.cli import app\n"
        "app(standalone_mode=False)\n"
        "heavy = {'dagster', 'dlt', 'great_expectations', 'dbt'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = call(Path(sys.executable), "-c", script, env=environment(built_company))
    assert done.returncode == 0, done.stderr


def test_nothing_is_sent_from_a_build_that_broke_off(company: Path) -> None:
    with duckdb.connect(str(company / "warehouse.duckdb")) as warehouse:
        warehouse.execute("update operations.builds set finished_at = null")
    done = call(KINSHIP, "sync", env=environment(company))
    assert done.returncode == 3
    assert "`kinship run` first" in done.stderr


def test_check_says_what_to_set(built_company: Path) -> None:
    assert call(KINSHIP, "check", "file", env=environment(built_company)).returncode == 0
    done = call(KINSHIP, "check", "vtiger", env=environment(built_company))
    assert done.returncode == 2
    assert "KINSHIP_VTIGER_URL" in done.stdout


def test_status_counts_sources_people_segments_and_syncs(built_company: Path) -> None:
    done = call(KINSHIP, "status", env=environment(built_company))
    assert done.returncode == 0, done.stderr
    for word in ("shopify", "People", "cart_abandoned_4_hours", "Checks", "sync_file__cart_abandoned"):
        assert word in done.stdout
    assert not addresses(done.stdout)


def test_an_unforeseen_error_shows_its_class_and_no_data(built_company: Path) -> None:
    script = (
        "import sys; sys.argv = ['kinship', 'status']\n"
        "import kinship.summary\n"
        "def broken(*_): raise ValueError('jane@example.org')\n"
        "kinship.summary.print_facts = broken\n"
        "from kinship.cli import main; main()"
    )
    done = call(Path(sys.executable), "-c", script, env=environment(built_company))
    assert done.returncode == 1
    assert "ValueError" in done.stderr and "--debug" in done.stderr
    assert "jane" not in done.stderr + done.stdout
