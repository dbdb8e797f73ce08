"""Syncs to Vtiger, over HTTP, against a server with the real one's traps: nobody twice, nobody lost, nothing told."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from reverse_etl_house import House, use
from servers.base import Faults
from vtiger_server import ACCESS_KEY, VtigerServer

from reverse_etl import (
    AuthenticationError,
    ConfigurationError,
    RunResult,
    check_destination,
    plan_sync,
    run_sync,
    sync_status,
)
from reverse_etl.delivery import Patience

HASTE = Patience(attempts=8, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.001)
NAME = "sync_vtiger__contacts"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VtigerServer]:
    with VtigerServer() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path, server: VtigerServer) -> House:
    house = House(tmp_path, NAME, object="Contacts", options={"settle_seconds": 0}, max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(400)])
    return house


def contacts(*numbers: int, stage: str | None = "lead", **more: Any) -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n}", "email": f"p{n}@example.com", "lastname": f"O'Neil {n}", "cf_kinship_stage": stage}
        | more
        for n in numbers
    ]


def run(house: House, **options: Any) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE, **options)


def content(server: VtigerServer) -> list[tuple[str, str, str]]:
    """The CRM's contacts, twins and all."""
    return sorted((r["email"].lower(), r["lastname"], r["cf_kinship_stage"]) for r in server.crm.live())


def wanted(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((r["email"].lower(), r["lastname"], r["cf_kinship_stage"]) for r in rows)


def test_creates_then_revises_only_what_differs(house: House, server: VtigerServer) -> None:
    house.want(contacts(1, 2, 3))
    result = run(house)
    assert (result.added, result.calls) == (3, 8), "challenge, login, describe, two queries, three creates"
    assert plan_sync(house.sync, house.settings).is_empty
    assert content(server) == wanted(contacts(1, 2, 3))
    assert {r["assigned_user_id"] for r in server.crm.live()} == {"19x1"}

    before = len(server.crm.calls)
    assert run(house).run_id is None
    assert len(server.crm.calls) == before, "nothing differs, nothing is called"

    house.want([*contacts(1, 2), *contacts(3, stage="customer")])
    result = run(house)
    assert (result.changed, server.crm.count("revise"), server.crm.count("create")) == (1, 1, 3)
    assert content(server) == wanted([*contacts(1, 2), *contacts(3, stage="customer")])


def test_the_plan_knows_the_number_of_calls(house: House, server: VtigerServer) -> None:
    house.want(contacts(*range(250)))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert (planned, result.calls, len(server.crm.calls)) == (257, 257, 257)
    assert server.crm.count("query") == 1 + 3, "opt-outs, then 100 keys in a query"


def test_who_is_there_already_is_changed_not_doubled(house: House, server: VtigerServer) -> None:
    record = server.crm.add(email="P1@Example.com", lastname="Old", phone="123")
    house.want(contacts(1, 2))
    assert run(house).added == 2
    assert content(server) == wanted(contacts(1, 2))
    assert server.crm.records[record]["phone"] == "123", "fields that the sync does not have stay"
    assert server.crm.records[record]["email"] == "P1@Example.com", "the key matched, so it stays as the CRM has it"


@pytest.mark.parametrize(
    "key", ["o'brien@example.com", "''@example.com", "жан+été@example.com", "a b@example.com", "%_@e"]
)
def test_awkward_keys_find_their_record(house: House, server: VtigerServer, key: str) -> None:
    server.crm.add(email=key.upper(), lastname="Old")
    rows = [{**contacts(1)[0], "email": key, "lastname": 'O\'Brien "B" & <b>\nΕλένη สมชาย'}]
    house.want(rows)
    run(house)
    assert content(server) == wanted(rows)


def test_a_key_that_cannot_be_looked_up_is_refused_alone(house: House, server: VtigerServer) -> None:
    house.want([*contacts(1, 2, 3), {**contacts(4)[0], "email": "a\\' or 1=1;@example.com"}])
    result = run(house)
    assert (result.added, result.refused) == (3, {"unsafe_key": 1})
    assert content(server) == wanted(contacts(1, 2, 3))


def test_two_records_with_the_key_are_nobodys(house: House, server: VtigerServer) -> None:
    for _ in range(2):
        server.crm.add(email="p1@example.com", lastname="Twin")
    house.want(contacts(1, 2))
    result = run(house)
    assert (result.added, result.refused) == (1, {"ambiguous_match": 1})
    assert [r["lastname"] for r in server.crm.live()] == ["Twin", "Twin", "O'Neil 2"]


def test_refused_rows_wait_and_are_tried_again(house: House, server: VtigerServer) -> None:
    rows = [*contacts(1), {**contacts(2)[0], "lastname": None}]
    house.want(rows)
    result = run(house)
    assert (result.added, result.refused) == (1, {"mandatory_fields_missing": 1})
    assert sync_status(house.sync, house.settings).refused == {"mandatory_fields_missing": 1}
    calls = len(server.crm.calls)
    assert run(house).withheld == {"backoff": 1}
    assert len(server.crm.calls) == calls

    house.no_wait()
    assert run(house).refused == {"mandatory_fields_missing": 1}
    (tries,) = house.query_ledger("select tries, epoch(next_attempt_at - rejected_at)::int from rejected")
    assert tries == (2, 1800), "each refusal doubles the wait"

    house.want(contacts(1, 2))  # corrected: no need to wait
    assert run(house).added == 1
    assert content(server) == wanted(contacts(1, 2))
    assert sync_status(house.sync, house.settings).refused == {}


def test_a_refused_row_that_nobody_wants_any_more_is_forgotten(house: House, server: VtigerServer) -> None:
    house.want([{**contacts(2)[0], "lastname": None}])
    run(house)
    house.want(contacts(1))
    run(house)
    assert sync_status(house.sync, house.settings).refused == {}


def test_equal_account_names_are_refused(tmp_path: Path, server: VtigerServer) -> None:
    house = House(tmp_path, "sync_vtiger__accounts", object="Accounts", key="phone", options={"settle_seconds": 0})
    house.consent([("c1", "granted"), ("c2", "granted")])
    house.want([{"customer_id": f"c{n}", "phone": f"+4420{n}", "accountname": "Acme"} for n in (1, 2)])
    result = run(house)
    assert (result.added, result.refused) == (1, {"duplicate": 1})


def test_a_record_deleted_over_there_is_made_again(house: House, server: VtigerServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    server.crm.deleted.add(server.crm.live()[0]["id"])
    house.want(contacts(1, 2, stage="customer"))
    assert run(house).changed == 2
    assert content(server) == wanted(contacts(1, 2, stage="customer"))


def test_in_mode_update_nobody_is_made(house: House, server: VtigerServer) -> None:
    house.reload(mode="update")
    server.crm.add(email="p1@example.com", lastname="Old")
    house.want(contacts(1, 2))
    result = run(house)
    assert (result.added, result.refused, server.crm.count("create")) == (1, {"not_found": 1}, 0)
    assert content(server) == wanted(contacts(1))
    server.crm.deleted.add(server.crm.live()[0]["id"])
    house.want(contacts(1, stage="customer"))
    assert run(house).refused == {"not_found": 1}
    assert content(server) == []


def test_in_mode_create_nobody_is_changed(house: House, server: VtigerServer) -> None:
    house.reload(mode="create")
    server.crm.add(email="p1@example.com", lastname="Old")
    house.want(contacts(1, 2))
    result = run(house)
    assert (result.added, result.refused) == (1, {"already_exists": 1})
    house.want(contacts(1, 2, stage="customer"))
    run(house)
    assert server.crm.count("revise") == 0
    assert [r["lastname"] for r in server.crm.live()] == ["Old", "O'Neil 2"]


def test_withdrawal_deletes_what_we_made_and_clears_what_was_there(house: House, server: VtigerServer) -> None:
    old = server.crm.add(email="p1@example.com", lastname="Old", phone="123")
    house.want(contacts(1, 2, 3, cf_kinship_vip="1"))
    run(house)
    house.consent([("c3", "granted"), ("c1", "withdrawn")])
    result = run(house)
    assert (result.removed, server.crm.count("delete")) == (2, 1)
    assert {r["email"] for r in server.crm.live()} == {"p1@example.com", "p3@example.com"}
    left = server.crm.records[old]
    assert (left["cf_kinship_stage"], left["cf_kinship_vip"], left["phone"]) == ("", "0", "123")
    assert run(house).run_id is None

    house.consent([("c1", "granted"), ("c2", "granted"), ("c3", "granted")])
    run(house)
    assert content(server) == wanted(contacts(1, 2, 3))


def test_the_fields_to_clear_can_be_named(house: House, server: VtigerServer) -> None:
    house.reload(options={"settle_seconds": 0, "clear_fields": "firstname, phone"})
    old = server.crm.add(email="p1@example.com", lastname="Old", phone="123", firstname="Ana")
    house.want(contacts(1))
    run(house)
    house.consent([])
    assert run(house).removed == 1
    left = server.crm.records[old]
    assert (left["cf_kinship_stage"], left["phone"], left["firstname"]) == ("lead", "", "")


def test_removing_who_is_gone_already_is_no_trouble(house: House, server: VtigerServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    server.crm.deleted.add(server.crm.live()[0]["id"])
    house.consent([])
    assert run(house).removed == 2
    assert content(server) == []


def test_a_removal_that_is_not_permitted_is_not_taken_for_done(house: House, server: VtigerServer) -> None:
    house.want(contacts(1))
    run(house)
    server.crm.denied = {server.crm.live()[0]["id"]}
    house.consent([])
    result = run(house)
    assert (result.removed, result.refused) == (0, {"access_denied": 1})
    server.crm.denied = set()
    house.no_wait()
    run(house)
    assert {r["cf_kinship_stage"] for r in server.crm.live()} <= {""}, "removed, or at least cleared"


def test_null_leaves_or_clears_as_the_sync_says(house: House, server: VtigerServer) -> None:
    house.want(contacts(1))
    run(house)
    house.want(contacts(1, stage=None))
    run(house)
    assert server.crm.live()[0]["cf_kinship_stage"] == "lead"
    house.reload(on_null="clear")
    house.want([*contacts(1, stage=None, firstname="Ana")])
    run(house)
    assert server.crm.live()[0]["cf_kinship_stage"] == ""


def test_a_changed_key_takes_its_record_along(house: House, server: VtigerServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    record = next(r["id"] for r in server.crm.live() if r["email"] == "p2@example.com")
    house.want([*contacts(1), *contacts(2, email="new@example.com")])
    result = run(house)
    assert (result.added, result.changed, result.removed, server.crm.count("delete")) == (0, 1, 0, 0)
    assert server.crm.records[record]["email"] == "new@example.com"
    assert run(house).run_id is None and len(server.crm.live()) == 2


def test_a_changed_key_with_a_record_of_its_own_leaves_no_twin(house: House, server: VtigerServer) -> None:
    server.crm.add(email="new@example.com", lastname="Was there")
    house.want(contacts(1))
    run(house)
    house.want(contacts(1, email="new@example.com"))
    run(house)
    run(house)
    assert content(server) == wanted(contacts(1, email="new@example.com"))
    assert run(house).run_id is None


@pytest.mark.parametrize("ends", ["forward", "back", "gone"])
@pytest.mark.parametrize("lost", ["drop_before", "drop_after"])
def test_a_key_change_that_was_cut_off_ends_with_one_record(
    house: House, server: VtigerServer, lost: str, ends: str
) -> None:
    house.reload(mode="mirror")
    house.want(contacts(1, 2))
    run(house)
    house.want([*contacts(1), *contacts(2, email="new@example.com")])
    server.break_on = ("revise", lost)
    assert run_sync(house.sync, house.settings, patience=Patience(attempts=1)).status == "incomplete"
    server.break_on = None
    rows = {
        "forward": [*contacts(1), *contacts(2, email="new@example.com")],
        "back": contacts(1, 2),
        "gone": contacts(1),
    }[ends]
    house.want(rows)
    assert run(house).status == "done"
    assert content(server) == wanted(rows)
    assert run(house).run_id is None


def test_sessions_may_end_at_any_time(house: House, server: VtigerServer) -> None:
    server.crm.session_calls = 7
    house.want(contacts(*range(30)))
    assert run(house).added == 30
    assert server.crm.count("login") >= 4
    assert content(server) == wanted(contacts(*range(30)))
    server.crm.end_sessions()
    house.want(contacts(*range(30), stage="customer"))
    assert run(house).changed == 30


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "unavailable", "too_many", "not_json"])
@pytest.mark.parametrize("seed", [1])
def test_one_kind_of_fault_loses_and_doubles_nobody(house: House, server: VtigerServer, fault: str, seed: int) -> None:
    server.crm.add(email="p3@example.com", lastname="Old")
    server.faults = Faults(seed=seed)
    setattr(server.faults, fault, 0.25)
    house.want(contacts(*range(15)))
    until_done(house)
    house.want(contacts(*range(10), stage="customer"))
    house.consent([(f"c{n}", "granted") for n in range(5, 400)])
    until_done(house)
    rows = [*contacts(*range(5, 10), stage="customer"), *contacts(*range(10, 15))]
    assert content(server) == sorted([*wanted(rows), ("p3@example.com", "O'Neil 3", "")])


@pytest.mark.parametrize("seed", range(2))
def test_all_faults_at_once_lose_and_double_nobody(house: House, server: VtigerServer, seed: int) -> None:
    server.faults = Faults(
        seed=seed, drop_before=0.06, drop_after=0.06, unavailable=0.06, too_many=0.06, not_json=0.06, latency=0.001
    )
    server.crm.session_calls = 9
    house.reload(options={"settle_seconds": 0, "batch_size": 17})
    house.want(contacts(*range(40)))
    until_done(house)
    assert content(server) == wanted(contacts(*range(40)))


def until_done(house: House) -> None:
    """Runs as a schedule would: what one leaves, the next sends."""
    for _ in range(20):
        if run(house).status == "done":
            return
    raise AssertionError("not done after 20 runs")


def test_retry_after_is_kept(house: House, server: VtigerServer) -> None:
    house.want(contacts(1))
    server.faults = Faults(seed=1, too_many=1.0)
    started = time.monotonic()
    hurried = Patience(rate_limit_total=0.055)
    result = run_sync(house.sync, house.settings, patience=hurried)
    assert (result.status, result.left) == ("incomplete", 1)
    assert 0.05 <= time.monotonic() - started < 5
    assert server.crm.calls == [], "five waits of 0.01 s, and not one call was taken"
    assert "rate_limited" in str(result.message)


def test_a_silent_server_leaves_the_rest_to_the_next_run(house: House, server: VtigerServer) -> None:
    house.want(contacts(*range(10)))
    server.crm.silent = {"p4@example.com"}
    result = run(house)
    assert (result.status, result.added, result.left) == ("incomplete", 4, 6)
    server.crm.silent = set()
    result = run(house)
    assert (result.status, result.added) == ("done", 6)
    assert content(server) == wanted(contacts(*range(10)))
    assert house.query("select status, added, left_over from reverse_etl.sync_runs order by started_at") == [
        ("incomplete", 4, 6),
        ("done", 6, 0),
    ]


def test_wrong_credentials_stop_at_once_and_are_not_shown(
    house: House, server: VtigerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINSHIP_VTIGER_ACCESS_KEY", "wrong-but-secret")
    house.want(contacts(1))
    with pytest.raises(AuthenticationError, match=r"INVALID_USER_CREDENTIALS.*KINSHIP_VTIGER_ACCESS_KEY") as caught:
        run(house)
    assert "wrong-but-secret" not in str(caught.value)
    assert server.crm.calls == ["getchallenge", "login"]
    monkeypatch.setenv("KINSHIP_VTIGER_ACCESS_KEY", ACCESS_KEY)
    assert run(house).added == 1


def test_without_credentials_the_sync_is_skipped_and_says_so(
    house: House, server: VtigerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.want(contacts(1))
    monkeypatch.delenv("KINSHIP_VTIGER_USER")
    with pytest.raises(ConfigurationError, match="half configured: KINSHIP_VTIGER_USER is not set"):
        run(house)
    monkeypatch.delenv("KINSHIP_VTIGER_URL")
    monkeypatch.delenv("KINSHIP_VTIGER_ACCESS_KEY")
    result = run(house)
    assert (result.status, result.left, result.run_id) == ("not_configured", 1, None)
    assert "KINSHIP_VTIGER_URL, KINSHIP_VTIGER_USER, KINSHIP_VTIGER_ACCESS_KEY" in str(result.message)
    assert check_destination("vtiger", house.sync).status == "not_configured"


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("127.0.0.1/crm", "failed", "KINSHIP_VTIGER_URL is not a URL"),
        ("http://127.0.0.1:9", "failed", "no connection to vtiger"),
        ("{url}/nowhere", "failed", "HTTP 404: is KINSHIP_VTIGER_URL right"),
        ("{url}/", "ok", "logged in; 2 modules"),
        ("{url}/webservice.php", "ok", "logged in; 2 modules"),
    ],
)
def test_check_tells_what_is_wrong(
    house: House, server: VtigerServer, monkeypatch: pytest.MonkeyPatch, url: str, status: str, message: str
) -> None:
    monkeypatch.setenv("KINSHIP_VTIGER_URL", url.format(url=server.url))
    result = check_destination("vtiger", house.sync)
    assert result.status == status and message in result.message


@pytest.mark.parametrize(
    ("changes", "row", "message"),
    [
        ({"object": "Gadgets"}, {}, "does not describe the module 'Gadgets'"),
        ({}, {"cf_nobody": "x"}, "the column 'cf_nobody' is not a field of vtiger's Contacts; it takes"),
        ({}, {"contact_no": "x"}, "the column 'contact_no' is read-only in vtiger's Contacts"),
        ({"options": {"clear_fields": "cf_gone"}}, {}, "the column 'cf_gone' is not a field"),
    ],
)
def test_what_the_module_does_not_have_is_found_before_the_first_row(
    house: House, server: VtigerServer, changes: dict[str, Any], row: dict[str, str], message: str
) -> None:
    house.reload(**changes)
    house.want(contacts(1, **row))
    with pytest.raises(ConfigurationError, match=message):
        run(house)
    assert server.crm.live() == []


def test_mandatory_fields_are_asked_for(house: House, server: VtigerServer) -> None:
    house.want([{"customer_id": "c1", "email": "p1@example.com"}])
    with pytest.raises(ConfigurationError, match="must have lastname"):
        run(house)
    house.reload(mode="update")
    server.crm.add(email="p1@example.com", lastname="Old")
    assert run(house).added == 1, "a record that is there has them"


def test_values_are_written_as_vtiger_reads_them(house: House, server: VtigerServer) -> None:
    types = {
        "customer_id": "text", "email": "text", "lastname": "text", "birthday": "date", "cf_kinship_vip": "boolean",
        "cf_kinship_revenue": "decimal(18,2)", "cf_kinship_orders": "integer", "cf_kinship_segments": "text[]",
        "cf_kinship_stage": "timestamptz",
    }  # fmt: skip
    row = ["c1", "p1@example.com", "Ξ", "1990-02-01", True, "12.30", 7, ["vip", "lapsed"], "2026-01-02 03:04:05+02"]
    house.want([dict(zip(types, row, strict=True))], types)
    run(house)
    (record,) = server.crm.live()
    assert {name: record[name] for name in list(types)[3:]} == {
        "birthday": "1990-02-01", "cf_kinship_vip": "1", "cf_kinship_revenue": "12.30", "cf_kinship_orders": "7",
        "cf_kinship_segments": "vip |##| lapsed", "cf_kinship_stage": "2026-01-02 01:04:05",
    }  # fmt: skip


def test_nothing_personal_and_no_secret_is_told(
    house: House, server: VtigerServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.crm.add(email="p9@example.com", lastname="Twin")
    server.crm.add(email="p9@example.com", lastname="Twin")
    server.faults, server.crm.session_calls = Faults(seed=5, drop_after=0.1, unavailable=0.1), 5
    house.want([*contacts(*range(12)), {**contacts(20)[0], "lastname": None}])
    results = [run(house) for _ in range(2)]
    told = caplog.text + "".join(capfd.readouterr()) + json.dumps([result.as_json() for result in results])
    told += str(house.query("select * from reverse_etl.sync_runs"))
    told += str(house.query("select * from reverse_etl.sync_results"))
    for secret in (ACCESS_KEY, "example.com", "O'Neil", "O%27Neil", "sessionName", "%40example"):
        assert secret not in told
    for file in house.settings.ledger.iterdir():
        assert ACCESS_KEY.encode() not in file.read_bytes() and b"O'Neil" not in file.read_bytes()


def test_other_programs_logs_of_httpx_stay_whole(caplog: pytest.LogCaptureFixture) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    caplog.set_level(logging.INFO)
    with HTTPServer(("127.0.0.1", 0), Answer) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        httpx.get(f"http://127.0.0.1:{other.server_port}/x?y=1")
    assert "/x?y=1" in caplog.text


def test_the_pace_is_kept(house: House, server: VtigerServer) -> None:
    house.reload(options={"settle_seconds": 0, "requests_per_second": 50})
    house.want(contacts(*range(20)))
    plan = plan_sync(house.sync, house.settings)
    assert plan.calls == 25 and plan.seconds == pytest.approx(24 / 50)
    result = run(house)
    assert 24 / 50 <= result.seconds < 5


def test_the_ledger_keeps_the_destinations_ids(house: House, server: VtigerServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    kept = house.query_ledger("select key, destination_id, created_by_us from accepted order by key")
    assert kept == [(r["email"], r["id"], True) for r in server.crm.live()]
    with duckdb.connect(str(house.settings.ledger / f"{NAME}.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from claims").fetchone() == (0,)
