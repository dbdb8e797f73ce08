"""Salesforce's traps: jobs that outlive us, result files, locks, the recycle bin, and what a CSV cell cannot say."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, run, use
from servers.salesforce import REFRESH_TOKEN, SalesforceServer, problem

from reverse_etl import AuthenticationError, ConfigurationError, plan_sync, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Operation, Row, Target
from reverse_etl.destinations import salesforce
from reverse_etl.destinations.salesforce import Salesforce, SalesforceOptions
from reverse_etl.pace import Meter

NAME = "sync_salesforce__contacts"
KEY = "Kinship_Id__c"
QUICK: dict[str, Any] = {"settle_seconds": 0.0, "poll_seconds": 0.004}
BULK = {**QUICK, "bulk_from": 1}
NASTY = ("O'Brien", "=1+1", 'say "hi",\nthen go', "ไทย", "back\\slash", "#N/A", " spaces ", "true")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceServer]:
    with SalesforceServer() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture(params=[QUICK, BULK], ids=["composite", "bulk"])
def house(tmp_path: Path, server: SalesforceServer, request: pytest.FixtureRequest) -> House:
    return make_house(tmp_path, options=request.param)


@pytest.fixture
def bulk(tmp_path: Path, server: SalesforceServer) -> House:
    return make_house(tmp_path, options=BULK)


def make_house(folder: Path, people: int = 400, **block: Any) -> House:
    folder.mkdir(exist_ok=True)
    block = {"object": "Contact", "key": KEY, "mode": "mirror", "max_change_share": 1, "options": QUICK, **block}
    house = House(folder, NAME, **block)
    house.consent([(f"c{n}", "granted") for n in range(people)])
    return house


def contacts(*numbers: int, stage: str | None = "lead", **more: Any) -> list[dict[str, Any]]:
    rows = [{"customer_id": f"c{n}", KEY: f"k{n}", "LastName": f"O'Neil {n}", "Stage__c": stage} for n in numbers]
    return [row | more for row in rows]


def nobody(house: House) -> None:
    house.want([], dict.fromkeys(("customer_id", KEY, "LastName", "Stage__c"), "text"))


def stages(server: SalesforceServer) -> dict[str, str | None]:
    return {record.fields[KEY]: record.fields.get("Stage__c") for record in server.live()}


def asked(folder: Path, ask: Any, key: str = KEY, **options: Any) -> Any:
    """What a prepared destination answers."""
    target = Target(
        sync=NAME, object="Contact", key=key, mode="mirror", on_null="leave",
        fields=(key, "LastName", "Seen__c", "Vip__c"), kinds={}, channel=None,
        options=SalesforceOptions(**{**QUICK, **options}), state=folder, meter=Meter(),
    )  # fmt: skip

    async def talk() -> Any:
        destination = Salesforce(target)
        await destination.prepare()
        try:
            answer = ask(destination)
            return [each async for each in answer] if isinstance(answer, AsyncIterator) else await answer
        finally:
            await destination.close()

    return asyncio.run(talk())


def test_the_plan_knows_the_number_of_composite_calls(tmp_path: Path, server: SalesforceServer) -> None:
    house = make_house(tmp_path)
    house.want(contacts(*range(250)))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert (planned, result.calls, server.calls) == (6, 6, 6), "log in, describe, two queries, two upserts"
    assert (result.added, server.broken) == (250, [])


def test_the_plan_knows_the_number_of_calls_of_a_job(tmp_path: Path, server: SalesforceServer) -> None:
    house = make_house(tmp_path, people=2500)
    house.want(contacts(*range(2500)))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    looks = server.count("GET", r"/jobs/ingest/\w+$")
    estimated = planned - (3 + 10 + 6)
    assert (result.added, result.calls - looks) == (2500, 3 + 10 + 6), (
        "log in, describe, eleven queries, six for the job"
    )
    assert server.count("PATCH", "composite") == 0
    seconds = sum(0.004 * 2**n for n in range(estimated))
    assert seconds / 2 < 2500 / 500 <= seconds, "looks with growing waits, until 500 rows/s are through"


def test_ids_come_from_the_results(house: House, server: SalesforceServer) -> None:
    house.want(contacts(*range(5)))
    run(house)
    ids = dict(house.query_ledger("select key, destination_id from accepted"))
    assert ids == {record.fields[KEY]: record.id for record in server.live()}


def test_every_text_arrives_as_it_left(house: House, server: SalesforceServer) -> None:
    rows = [contacts(n, stage=text)[0] for n, text in enumerate(NASTY)]
    house.want(rows)
    assert run(house).refused == {}
    assert stages(server) == {f"k{n}": text for n, text in enumerate(NASTY)}
    house.want([{**row, "Stage__c": row["Stage__c"] + "!"} for row in rows])
    run(house)
    assert stages(server) == {f"k{n}": text + "!" for n, text in enumerate(NASTY)}


def test_typed_values_arrive_as_themselves(house: House, server: SalesforceServer) -> None:
    types = {
        "customer_id": "text", KEY: "text", "LastName": "text", "Vip__c": "boolean", "Score__c": "decimal(8,2)",
        "Seen__c": "timestamp", "Stage__c": "text[]",
    }  # fmt: skip
    row = {"customer_id": "c1", KEY: "k1", "LastName": "A", "Vip__c": True, "Score__c": 1.5}
    house.want([{**row, "Seen__c": "2026-01-02 03:04:05", "Stage__c": ["a", "b"]}], types)
    run(house)
    (record,) = server.live()
    found = {name: record.fields[name] for name in ("Vip__c", "Score__c", "Seen__c", "Stage__c")}
    expected = {"Vip__c": True, "Score__c": 1.5, "Seen__c": "2026-01-02T03:04:05.000Z", "Stage__c": "a;b"}
    assert found == expected


def test_null_clears_or_leaves(house: House, server: SalesforceServer) -> None:
    house.want(contacts(1))
    run(house)
    house.want(contacts(1, stage=None))
    run(house)
    assert stages(server) == {"k1": "lead"}
    house.reload(on_null="clear")
    house.want(contacts(1, stage=None, LastName="B"))
    run(house)
    assert stages(server) == {"k1": None}


def test_refused_rows_have_the_class_of_their_code(house: House, server: SalesforceServer) -> None:
    server.has_duplicate_rule = True
    server.add(Email="taken@example.com", LastName="theirs")
    rows = [
        {**contacts(1)[0], "Email": "p1@example.com"},
        {**contacts(2, LastName=None)[0], "Email": "p2@example.com"},
        {**contacts(3)[0], "Email": "taken@example.com"},
        {**contacts(4, stage="x" * 256)[0], "Email": "p4@example.com"},
    ]
    house.want(rows)
    result = run(house)
    assert result.added == 1
    assert result.refused == {"duplicates_detected": 1, "required_field_missing": 1, "string_too_long": 1}


def test_locked_rows_are_tried_again(house: House, server: SalesforceServer) -> None:
    server.locked = {"k1": 2}
    house.want(contacts(1, 2, 3))
    assert (run(house).added, server.locked) == (3, {"k1": 0})


def test_a_row_that_stays_locked_keeps_nobody_back(house: House, server: SalesforceServer) -> None:
    server.locked = {"k1": 1000}
    house.want(contacts(1, 2, 3))
    result = run(house)
    assert (result.added, result.refused, result.status) == (2, {"unable_to_lock_row": 1}, "done")


def test_what_a_broken_job_did_not_come_to_is_sent_another_way(bulk: House, server: SalesforceServer) -> None:
    server.fails_after = 2
    bulk.want(contacts(*range(5)))
    assert run(bulk).added == 5
    assert stages(server) == {f"k{n}": "lead" for n in range(5)}
    assert server.count("PATCH", "composite") == 1


def test_a_job_that_somebody_aborts_is_not_run_again(bulk: House, server: SalesforceServer) -> None:
    server.job_seconds = 1000
    handle = server.handle

    def aborting(request: Any) -> Any:
        for job in server.jobs.values():
            if job.state == "InProgress" or (job.state == "UploadComplete" and request.method == "GET"):
                job.state, job.left = "Aborted", [list(row.values()) for row in job.rows]
        return handle(request)

    server.handle = aborting  # type: ignore[method-assign]
    bulk.want(contacts(1, 2))
    with pytest.raises(ConfigurationError, match="somebody aborted bulk job 750"):
        run(bulk)
    assert len(server.jobs) == 1


def test_a_job_is_cut_by_bytes(bulk: House, server: SalesforceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce, "MAX_BYTES", 150)
    bulk.want(contacts(*range(6)))
    assert run(bulk).added == 6
    uploads = [request.body for request in server.requests if request.path.endswith("/batches")]
    assert len(uploads) > 1 and max(map(len, uploads)) <= 150 + len("Kinship_Id__c,LastName,Stage__c\n")


def test_a_slow_job_is_waited_for_before_anything_else_is_sent(bulk: House, server: SalesforceServer) -> None:
    server.job_seconds = 0.4
    bulk.reload(options={**BULK, "job_seconds": 0.01})
    bulk.want(contacts(1, 2, stage="old"))
    result = run_sync(bulk.sync, bulk.settings, patience=Patience(attempts=1))
    assert (result.status, server.live()) == ("incomplete", [])
    assert "job_still_running" in (result.message or "")

    bulk.reload(options=BULK)
    bulk.want(contacts(1, 2, stage="new"))
    assert run(bulk).status == "done"
    assert stages(server) == {"k1": "new", "k2": "new"}, "the old job did not undo it"
    nobody(bulk)
    run(bulk)
    assert server.live() == [], "the records are known to be ours"


@pytest.mark.parametrize("mode", ["mirror", "create"])
def test_a_killed_run_whose_job_goes_on_doubles_nobody(tmp_path: Path, server: SalesforceServer, mode: str) -> None:
    server.job_seconds = 0.3
    house = make_house(tmp_path, mode=mode, options=BULK)
    house.want(contacts(*range(20)))
    house.keep()
    handle = server.handle
    killed: list[int] = []

    def deadly(request: Any) -> Any:
        answer = handle(request)
        if request.method == "PATCH" and not killed:
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child.pid)
        return answer

    server.handle = deadly  # type: ignore[method-assign]
    script = Path(__file__).with_name("salesforce_killed.py")
    environment = {**os.environ, "PYTHONPATH": str(script.parent.parent)}
    child = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    assert child.wait(60) == -signal.SIGKILL
    assert server.live() == []

    assert run(house).status == "done"
    assert stages(server) == {f"k{n}": "lead" for n in range(20)} and len(server.live()) == 20
    assert run(house).calls == 0
    house.consent([])
    run(house)
    assert server.live() == [], "all of them are known to be ours"


def test_an_upload_that_was_not_completed_is_aborted(bulk: House, server: SalesforceServer) -> None:
    handle = server.handle

    def unlucky(request: Any) -> Any:
        if request.method == "PATCH" and len(server.jobs) == 1 and b"UploadComplete" in request.body:
            return problem(503, "SERVER_UNAVAILABLE")
        return handle(request)

    server.handle = unlucky  # type: ignore[method-assign]
    bulk.want(contacts(1, 2))
    assert run(bulk).added == 2
    assert [job.state for job in server.jobs.values()] == ["Aborted", "JobComplete"]


def test_a_job_that_salesforce_has_forgotten_holds_nobody_up(bulk: House, server: SalesforceServer) -> None:
    note = bulk.settings.state / "jobs" / f"{NAME}.json"
    note.parent.mkdir()
    note.write_text('{"job": "750000000000999"}')
    bulk.want(contacts(1))
    assert run(bulk).added == 1
    assert not note.exists()
    note.write_text("{")
    bulk.want(contacts(1, stage="customer"))
    with pytest.raises(ConfigurationError, match="look for running bulk jobs, then delete it"):
        run(bulk)


def test_a_session_that_ends_is_renewed(house: House, server: SalesforceServer) -> None:
    handle = server.handle

    def ending(request: Any) -> Any:
        if "describe" in request.path:
            answer = handle(request)
            server.sessions.clear()
            return answer
        return handle(request)

    server.handle = ending  # type: ignore[method-assign]
    house.want(contacts(1))
    assert run(house).added == 1
    assert server.count("POST", "token") == 2


def test_a_refresh_token_logs_in_too(tmp_path: Path, server: SalesforceServer, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(tmp_path)
    house.want(contacts(1))
    monkeypatch.setenv("KINSHIP_SALESFORCE_REFRESH_TOKEN", "wrong")
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        run(house)
    monkeypatch.setenv("KINSHIP_SALESFORCE_REFRESH_TOKEN", REFRESH_TOKEN)
    assert run(house).added == 1


def test_the_daily_limit_ends_the_run_at_once(tmp_path: Path, server: SalesforceServer) -> None:
    server.per_day = 4
    house = make_house(tmp_path)
    house.want(contacts(*range(250)))
    started = time.monotonic()
    result = run(house)
    assert time.monotonic() - started < 5
    assert (result.status, result.added, result.left) == ("incomplete", 200, 50)
    server.per_day = None
    assert (run(house).added, len(server.live())) == (50, 250)


def test_too_many_calls_at_once_are_waited_for(tmp_path: Path, server: SalesforceServer) -> None:
    answers = [problem(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")]
    handle = server.handle
    server.handle = lambda r: answers.pop() if answers and "composite" in r.path else handle(r)  # type: ignore[method-assign]
    house = make_house(tmp_path)
    house.want(contacts(1))
    assert run(house).added == 1


@pytest.mark.parametrize(
    ("block", "row", "message"),
    [
        ({}, {"Stgae__c": "x"}, "'Stgae__c' is not a field of"),
        ({}, {"LastModifiedDate": "x"}, "'LastModifiedDate' is read-only in"),
        ({}, {"HasOptedOutOfEmail": "false"}, "what people decided"),
        ({"key": "Stage__c"}, {"Stage__c": "x"}, "mark the field as External ID"),
        ({"key": "Exact_Id__c"}, {"Exact_Id__c": "x"}, "tells upper from lower case"),
        ({"object": "Horse"}, {}, "does not describe the object 'Horse'"),
        ({"options": {"clear_fields": "Nothing__c"}}, {}, "'Nothing__c' is not a field of"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_row(
    tmp_path: Path, server: SalesforceServer, block: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    house = make_house(tmp_path, **block)
    house.want([{**contacts(1)[0], **row}])
    with pytest.raises(ConfigurationError, match=message):
        run(house)


def test_a_field_that_must_be_there_is_named(tmp_path: Path, server: SalesforceServer) -> None:
    house = make_house(tmp_path)
    house.want([{"customer_id": "c1", KEY: "k1"}])
    with pytest.raises(ConfigurationError, match="must have LastName"):
        run(house)
    house.reload(mode="update")
    assert run(house).refused == {"not_found": 1}


def test_a_removal_deletes_ours_and_clears_theirs(house: House, server: SalesforceServer) -> None:
    theirs = server.add(**{KEY: "K1"}, LastName="theirs", Vip__c=True)
    rows = contacts(1, 2)
    house.want([{**row, "Vip__c": True} for row in rows], {**dict.fromkeys(rows[0], "text"), "Vip__c": "boolean"})
    run(house)
    house.want([], {**dict.fromkeys(rows[0], "text"), "Vip__c": "boolean"})
    assert run(house).removed == 2
    assert server.live() == [theirs]
    assert (theirs.fields[KEY], theirs.fields["Stage__c"], theirs.fields["Vip__c"]) == ("K1", None, False)


def test_who_was_deleted_over_there_is_made_again(house: House, server: SalesforceServer) -> None:
    house.want(contacts(1))
    run(house)
    server.live()[0].is_deleted = True
    house.want(contacts(1, stage="customer"))
    assert run(house).changed == 1
    assert stages(server) == {"k1": "customer"}


def test_a_new_key_moves_the_record(house: House, server: SalesforceServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    house.want([{**contacts(1)[0], KEY: "moved"}, *contacts(2, stage="customer")])
    run(house)
    assert stages(server) == {"moved": "lead", "k2": "customer"}
    assert len(server.records) == 2


def test_update_never_creates_and_create_never_changes(tmp_path: Path, server: SalesforceServer) -> None:
    server.add(**{KEY: "k1"}, LastName="theirs", Stage__c="theirs")
    update = make_house(tmp_path / "update", mode="update")
    update.want(contacts(1, 2))
    assert (run(update).refused, stages(server)) == ({"not_found": 1}, {"k1": "lead"})
    create = make_house(tmp_path / "create", mode="create")
    create.want(contacts(1, 3, stage="new"))
    result = run(create)
    assert (result.added, result.refused) == (1, {"already_exists": 1})
    assert stages(server) == {"k1": "lead", "k3": "new"}


def test_two_records_with_one_address_are_refused(tmp_path: Path, server: SalesforceServer) -> None:
    for name in ("a", "b"):
        server.add(Email="p1@example.com", LastName=name)
    house = make_house(tmp_path, key="Email")
    house.want([{"customer_id": "c1", "Email": "p1@example.com", "LastName": "c", "Stage__c": "lead"}])
    assert run(house).refused == {"ambiguous_match": 1}


def test_awkward_keys_find_their_record(tmp_path: Path, server: SalesforceServer) -> None:
    keys = ["o'brien", "a\\b", "c\\'d", "e\nf", "ж,é", *(f"{n}-" + "ключ" * 60 for n in range(60))]
    for key in keys:
        server.add(**{KEY: key}, LastName="theirs")
    found = asked(tmp_path, lambda destination: destination.lookup(keys))
    assert {key: len(ids) for key, ids in found.items()} == dict.fromkeys(keys, 1)
    assert server.broken == [] and server.count("GET", "/query") > 1, "cut so that the URL is taken"


def test_a_numeric_key_finds_its_record(tmp_path: Path, server: SalesforceServer) -> None:
    server.add(Number__c=17.0, LastName="theirs")
    found = asked(tmp_path, lambda destination: destination.lookup(["17", "18"]), key="Number__c")
    assert list(found) == ["17"]


def test_erasure_skips_the_recycle_bin(tmp_path: Path, server: SalesforceServer) -> None:
    theirs, ours = server.add(**{KEY: "k1"}), server.add(**{KEY: "k2"})
    twin = server.add(**{KEY: "K2"})
    rows = [
        Row("k1", None, "c1", Operation.ERASE),
        Row("k2", None, "c2", Operation.ERASE, ours.id, True),
        Row("k3", None, "c3", Operation.ERASE),
        Row("k4", None, "c4", Operation.ERASE, "003000000000999AAA", True),
    ]
    outcomes = asked(tmp_path, lambda destination: destination.erase(Batch("1", rows)))
    assert {each.key: each.status for each in outcomes} == {row.key: "accepted" for row in rows}
    assert not {theirs.id, ours.id, twin.id} & set(server.records)


def test_an_erasure_without_the_permission_is_refused_or_goes_to_the_bin(
    tmp_path: Path, server: SalesforceServer
) -> None:
    server.allows_hard_delete = False
    record = server.add(**{KEY: "k1"})
    rows = [Row("k1", None, "c1", Operation.ERASE)]
    (outcome,) = asked(tmp_path, lambda destination: destination.erase(Batch("1", rows)))
    assert (outcome.status, outcome.error_class) == ("rejected", "hard_delete_not_allowed")
    (outcome,) = asked(tmp_path, lambda destination: destination.erase(Batch("1", rows)), hard_delete=False)
    assert (outcome.status, record.is_deleted) == ("accepted", True)


def test_drift_reads_what_is_there(tmp_path: Path, server: SalesforceServer) -> None:
    one = server.add(**{KEY: "k1"}, LastName="A", Vip__c=True, Seen__c="2026-01-02T03:04:05.678+0000")
    server.add(**{KEY: "k2"}, LastName="B")
    rows = [
        Row("k1", None, "c1", Operation.CHANGE, one.id),
        Row("k2", None, "c2", Operation.CHANGE),
        Row("k3", None, "c3", Operation.CHANGE, "003000000000999AAA"),
    ]
    found = asked(tmp_path, lambda destination: destination.read(rows))
    assert {each.key: dict(each.fields) for each in found} == {
        "k1": {KEY: "k1", "LastName": "A", "Vip__c": True, "Seen__c": "2026-01-02T03:04:05.678Z"},
        "k2": {KEY: "k2", "LastName": "B", "Vip__c": False, "Seen__c": None},
    }


def test_opt_outs_come_back(tmp_path: Path, server: SalesforceServer) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for n in range(300):
        server.add(**{KEY: f"k{n}"}, HasOptedOutOfEmail=n % 2 == 0).changed_at = at.replace(day=1 + n % 28)
    told = asked(tmp_path, lambda destination: destination.opt_outs(None))
    assert {each.key for each in told} == {f"k{n}" for n in range(0, 300, 2)}
    since = datetime(2026, 1, 10)
    told = asked(tmp_path, lambda destination: destination.opt_outs(since))
    assert told and all(each.at >= since and each.channel == "email" for each in told)
