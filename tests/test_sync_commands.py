"""The commands about syncs as a person and a script meet them: colours, hashes instead of keys, exit codes."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, ROOT, addresses, call, environment
from typer.testing import CliRunner
from vtiger_server import VtigerServer

from kinship.cli import app
from kinship.errors import WrongUse

SYNC = "sync_vtiger__contacts"
ESCAPE = "\x1b["


def ledger(data: Path, sync: str = SYNC) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(data / "ledger" / f"{sync}.duckdb"))


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory, built_company: Path) -> tuple[Path, VtigerServer]:
    """A company whose contacts went to a CRM that refuses three of them: those mailboxes are there twice."""
    data = Path(shutil.copytree(built_company, tmp_path_factory.mktemp("crm") / "data"))
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as warehouse:
        refused = warehouse.execute(
            f"select email from activation.{SYNC} inner join customers.customers using (customer_id, email)"
            " where has_email_marketing_consent order by email limit 3"
        ).fetchall()
    with VtigerServer() as server:
        for (email,) in refused:
            for _ in range(2):
                server.crm.add(email=email, lastname="Twin")
        done = call(KINSHIP, "sync", SYNC, env=environment(data, **server.environment))
        assert done.returncode == 0, done.stderr
        assert "ambiguous_match (3)" in done.stdout
    return data, server


def test_plan_is_coloured_where_there_is_a_terminal_and_nowhere_else(built_company: Path) -> None:
    plain = call(KINSHIP, "plan", env=environment(built_company))
    coloured = call(KINSHIP, "plan", env=environment(built_company, FORCE_COLOR="1"))
    refused = call(KINSHIP, "plan", env=environment(built_company, FORCE_COLOR="1", NO_COLOR="1"))
    assert plain.returncode == coloured.returncode == refused.returncode == 0
    assert f"{ESCAPE}32m" in coloured.stdout, "additions are green"
    assert ESCAPE not in plain.stdout
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", refused.stdout), "no colour at all with NO_COLOR"
    assert not addresses(plain.stdout)


def test_plan_counts_by_operation_and_sums_up(built_company: Path) -> None:
    told = json.loads(call(KINSHIP, "plan", "--json", env=environment(built_company)).stdout)["syncs"]
    printed = call(KINSHIP, "plan", env=environment(built_company)).stdout
    (contacts,) = (one for one in told if one["sync"] == SYNC)
    assert f"+ {contacts['adds']:,} to add" in printed
    for reason, count in contacts["withheld"].items():
        assert f"{count:,} withheld: {reason}" in printed
    total = sum(one["adds"] for one in told)
    assert printed.rstrip().splitlines()[-1].startswith(f"Plan: {total:,} to add, 0 to change, 0 to remove")


def test_refused_rows_are_shown_by_hash_and_tried_again_on_request(crm: tuple[Path, VtigerServer]) -> None:
    data, _ = crm
    with ledger(data) as connection:
        keys = [key for (key,) in connection.execute("select key from rejected order by next_attempt_at").fetchall()]
    done = call(KINSHIP, "rejected", SYNC, env=environment(data))
    assert done.returncode == 0, done.stderr
    assert "3 rows refused" in done.stdout
    assert not addresses(done.stdout)
    for key in keys:
        assert hashlib.sha256(key.encode()).hexdigest()[:12] in done.stdout
    told = json.loads(call(KINSHIP, "rejected", SYNC, "--json", env=environment(data)).stdout)["rejected"]
    assert {row["error_class"] for row in told} == {"ambiguous_match"}
    assert {row["operation"] for row in told} == {"add"}
    plan = json.loads(call(KINSHIP, "plan", SYNC, "--json", env=environment(data)).stdout)["syncs"][0]
    assert (plan["adds"], plan["withheld"]["backoff"]) == (0, 3)
    assert "3 rows are due" in call(KINSHIP, "rejected", SYNC, "--retry", env=environment(data)).stdout
    plan = json.loads(call(KINSHIP, "plan", SYNC, "--json", env=environment(data)).stdout)["syncs"][0]
    assert plan["adds"] == 3
    assert "backoff" not in plan["withheld"]


def test_a_dry_run_makes_no_call_a_limit_holds_and_a_resync_sends_again(company: Path) -> None:
    with VtigerServer() as server:
        env = environment(company, **server.environment)
        plan = json.loads(call(KINSHIP, "plan", SYNC, "--json", env=env).stdout)["syncs"][0]
        dry = call(KINSHIP, "sync", SYNC, "--dry-run", env=env)
        assert dry.returncode == 0, dry.stderr
        assert "Nothing has been sent" in dry.stdout
        assert re.search(rf"{SYNC} +{plan['adds']:,} ", dry.stdout)
        assert (server.crm.calls, server.crm.live()) == ([], [])
        assert call(KINSHIP, "sync", SYNC, "--limit", "2", env=env).returncode == 0
        assert len(server.crm.live()) == 2
        assert call(KINSHIP, "sync", SYNC, env=env).returncode == 0
        assert len(server.crm.live()) == plan["adds"]
        again = call(KINSHIP, "sync", SYNC, "--resync", "--dry-run", "--allow-change-share", "1", env=env)
        assert re.search(rf"{SYNC} +0 +{plan['adds']:,} ", again.stdout), again.stdout + again.stderr
        assert len(server.crm.live()) == plan["adds"]


def test_drift_of_a_tool_that_cannot_be_read_is_wrong_use(built_company: Path) -> None:
    done = call(KINSHIP, "drift", "sync_file__cart_abandoned", env=environment(built_company))
    assert done.returncode == 2
    assert "cannot be read back" in done.stderr
    both = call(
        KINSHIP, "drift", "sync_file__cart_abandoned", "--full", "--sample", "3", env=environment(built_company)
    )
    assert both.returncode == 2


def test_status_says_where_every_sync_stands(crm: tuple[Path, VtigerServer]) -> None:
    data, _ = crm
    told = {
        one["sync"]: one for one in json.loads(call(KINSHIP, "status", "--json", env=environment(data)).stdout)["syncs"]
    }
    assert set(told) == {path.stem for path in (ROOT / "models" / "activation").glob("sync_*.sql")}
    contacts = told[SYNC]
    assert contacts["state"] == "done"
    assert contacts["refused"] == {"ambiguous_match": 3}
    assert contacts["accepted"] > 0
    assert contacts["next_attempt_at"] > contacts["last_run_at"]
    assert contacts["stalled"] is None
    printed = call(KINSHIP, "status", env=environment(data))
    assert "ambiguous_match (3)" in printed.stdout
    assert not addresses(printed.stdout)


def test_a_sync_that_left_rows_three_times_is_stalled(crm: tuple[Path, VtigerServer], tmp_path: Path) -> None:
    data = Path(shutil.copytree(crm[0], tmp_path / "data"))
    with ledger(data) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "insert into runs by name select * replace (run_id || $1 as run_id, 'incomplete' as status,"
                " 5 as left_over, started_at + to_hours($1::integer) as started_at)"
                " from (from runs order by started_at limit 1)",
                [number],
            )
    told = json.loads(call(KINSHIP, "status", "--json", env=environment(data)).stdout)["syncs"]
    (contacts,) = (one for one in told if one["sync"] == SYNC)
    assert "last 3 runs" in contacts["stalled"]


def test_check_names_what_is_wrong_in_one_line(crm: tuple[Path, VtigerServer]) -> None:
    data, server = crm
    nowhere = call(KINSHIP, "check", "vtiger", env=environment(data, **server.environment))
    assert nowhere.returncode == 1, "the CRM is shut down by now"
    # the name is that of a source, too, whose files are there
    source, destination = nowhere.stdout.splitlines()
    assert source.startswith("source vtiger: ok: ") and destination.startswith("destination vtiger: failed: ")
    with VtigerServer() as other:
        wrong = other.environment | {"KINSHIP_VTIGER_ACCESS_KEY": "wrong"}
        done = call(KINSHIP, "check", "vtiger", env=environment(data, **wrong))
        assert done.returncode == 1
        assert "wrong" not in done.stdout
        assert "KINSHIP_VTIGER_ACCESS_KEY" in done.stdout
        assert call(KINSHIP, "check", "vtiger", env=environment(data, **other.environment)).returncode == 0


def test_a_suppressed_address_is_read_from_standard_input_and_kept_as_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    monkeypatch.setattr("kinship.syncs.commands.ROOT", tmp_path)
    done = CliRunner().invoke(app, ["suppress", "email", "--erase", "--reason", "asked"], input="J.Doe+x@Gmail.com\n")
    assert done.exit_code == 0, done.output
    assert not addresses(done.output)
    written = (tmp_path / "seeds" / "suppressions.csv").read_text()
    assert "doe" not in written.lower()
    for form in ("j.doe+x@gmail.com", "jdoe@gmail.com"):
        assert f"email,{hashlib.sha256(form.encode()).hexdigest()},erase,asked," in written
    wrong = CliRunner().invoke(app, ["suppress", "email"], input="nobody\n")
    assert isinstance(wrong.exception, WrongUse) and "nobody" not in str(wrong.exception)
