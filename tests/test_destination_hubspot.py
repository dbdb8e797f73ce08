"""HubSpot's traps: partial answers, ids that lead elsewhere, e-mails that block, lists that fill themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pytest
from reverse_etl_house import House, run, use
from servers.base import Answer, Request
from servers.hubspot import QUICK, HubspotServer

from reverse_etl import AuthenticationError, ConfigurationError, plan_sync
from reverse_etl.destination import Batch, Operation, Row, Target
from reverse_etl.destinations import hubspot
from reverse_etl.destinations.hubspot import Hubspot, HubspotOptions
from reverse_etl.limits import Rate
from reverse_etl.pace import Meter

T = TypeVar("T")
NAME = "sync_hubspot__contacts"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubspotServer]:
    with HubspotServer() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path, server: HubspotServer) -> House:
    return make_house(tmp_path)


def make_house(folder: Path, **block: Any) -> House:
    folder.mkdir(exist_ok=True)
    block = {"object": "contacts", "key": "email", "mode": "mirror", "max_change_share": 1, "options": QUICK, **block}
    house = House(folder, NAME, **block)
    house.consent([(f"c{n}", "granted") for n in range(400)])
    return house


def contacts(*numbers: int, stage: str | None = "lead", **more: Any) -> list[dict[str, Any]]:
    rows = [{"customer_id": f"c{n}", "email": f"p{n}@example.com", "kinship_stage": stage} for n in numbers]
    return [row | more for row in rows]


def nobody(house: House) -> None:
    names = ("customer_id", "email", *(() if house.sync.object == "lists" else ("kinship_stage",)))
    house.want([], dict.fromkeys(names, "text"))


def stages(server: HubspotServer) -> dict[str, str | None]:
    return {record.properties["email"]: record.properties.get("kinship_stage") for record in server.live()}


def ids(house: House) -> dict[str, str]:
    return dict(house.query_ledger("select key, destination_id from accepted"))


def target(folder: Path, object: str = "contacts", key: str = "email", **options: Any) -> Target:
    return Target(
        sync=NAME, object=object, key=key, mode="mirror", on_null="leave", fields=(key, "kinship_stage"),
        kinds={}, channel=None, options=HubspotOptions(**options), state=folder, meter=Meter(),
    )  # fmt: skip


def asked(folder: Path, ask: Any, **place: Any) -> Any:
    """What a prepared destination answers."""

    async def talk() -> Any:
        destination = Hubspot(target(folder, **place))
        await destination.prepare()
        try:
            answer = ask(destination)
            return [each async for each in answer] if isinstance(answer, AsyncIterator) else await answer
        finally:
            await destination.close()

    return asyncio.run(talk())


def test_the_plan_knows_the_number_of_calls(house: House, server: HubspotServer) -> None:
    house.want(contacts(*range(250)))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert (planned, result.calls, server.calls) == (8, 8, 8), "properties, opt-outs, three look-ups, three upserts"
    house.want(contacts(*range(120), stage="customer"))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert planned == result.calls == 2 + 2 * 2 + 2, "130 leave: read, archive; 120 change"
    assert len(server.live()) == 120 and server.broken == []


def test_the_pace_is_that_of_the_account(tmp_path: Path) -> None:
    free = make_house(tmp_path).sync
    assert (free.limits.rates, free.limits.calls_per_day) == ((Rate(100, 10.0),), 250_000)
    enterprise = make_house(tmp_path, options={"tier": "enterprise"}).sync
    assert (enterprise.limits.rates, enterprise.limits.calls_per_day) == ((Rate(190, 10.0),), 1_000_000)


def test_results_in_another_order_find_their_rows(house: House, server: HubspotServer) -> None:
    house.want(contacts(*range(5)))
    run(house)
    assert ids(house) == {record.properties["email"]: record.id for record in server.live()}


@pytest.mark.parametrize("named", [True, False])
def test_of_a_partial_answer_only_the_bad_rows_are_refused(house: House, server: HubspotServer, named: bool) -> None:
    server.names_errors = named
    house.want([*contacts(*range(6), kinship_tier="gold"), *contacts(7, 8, kinship_tier="tin")])
    result = run(house)
    assert (result.added, result.refused) == (6, {"invalid_option": 2})
    assert set(stages(server)) == {f"p{n}@example.com" for n in range(6)}


def test_a_success_without_results_is_none(house: House, server: HubspotServer) -> None:
    server.faults.silent = 1.0
    house.want(contacts(1, 2))
    result = run(house)
    assert (result.added, result.refused) == (0, {"no_outcome": 2})
    server.faults.silent = 0.0
    house.no_wait()
    assert run(house).added == 2


@pytest.mark.parametrize(("concurrency", "per_day"), [(1, 5), (4, 6)])
def test_the_daily_limit_ends_the_run_at_once(
    house: House, server: HubspotServer, concurrency: int, per_day: int
) -> None:
    house.reload(options={**QUICK, "concurrency": concurrency})
    server.per_day = per_day
    house.want(contacts(*range(250)))
    started = time.monotonic()
    result = run(house)
    assert time.monotonic() - started < 5
    assert (result.status, result.added + result.left) == ("incomplete", 250) and 0 < result.left < 250
    assert "rate_limited" in (result.message or "")
    server.per_day = None
    assert run(house).added == result.left
    assert len(server.live()) == 250


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(423, b"", {"Retry-After": "0.01"}), "done"),
        (Answer(477, b"", {"Retry-After": "0.01"}), "done"),
        (Answer(477, b""), "incomplete"),
        (Answer(502, b"<html>"), "done"),
        (Answer(200, b"<html>"), "done"),
    ],
)
def test_an_account_that_is_busy_is_waited_for(
    house: House, server: HubspotServer, answer: Answer, status: str
) -> None:
    answers = [answer]
    handle = server.handle
    server.handle = lambda r: answers.pop() if answers and "upsert" in r.path else handle(r)  # type: ignore[method-assign]
    house.want(contacts(1, 2))
    assert run(house).status == status
    assert len(server.live()) == (2 if status == "done" else 0)


def test_a_missing_scope_is_named(house: House, server: HubspotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"category": "MISSING_SCOPES", "context": {"missingScopes": ["crm.objects.contacts.write"]}}
    monkeypatch.setattr(server, "handle", lambda _: Answer(403, told))
    house.want(contacts(1))
    with pytest.raises(AuthenticationError, match=r"crm\.objects\.contacts\.write"):
        run(house)


def test_null_clears_or_leaves(house: House, server: HubspotServer) -> None:
    house.want(contacts(1))
    run(house)
    house.want(contacts(1, stage=None))
    run(house)
    assert stages(server) == {"p1@example.com": "lead"}
    house.reload(on_null="clear")
    house.want(contacts(1, stage=None, firstname="Ana"))
    run(house)
    assert stages(server) == {"p1@example.com": None}


def test_a_corrected_address_is_not_undone_nor_doubled(house: House, server: HubspotServer) -> None:
    house.want(contacts(1))
    run(house)
    (record,) = server.live()
    record.properties["email"] = "corrected@example.com"
    house.want(contacts(1, stage="customer"))
    run(house)
    assert stages(server) == {"corrected@example.com": "customer"}


def test_a_new_address_moves_the_record(house: House, server: HubspotServer) -> None:
    house.want(contacts(1))
    run(house)
    house.want([{**contacts(1)[0], "email": "New@Example.com"}])
    run(house)
    assert stages(server) == {"new@example.com": "lead"} and len(server.records["contacts"]) == 1


def test_who_was_deleted_over_there_is_made_again(house: House, server: HubspotServer) -> None:
    house.want(contacts(1))
    run(house)
    server.live()[0].archived = True
    house.want(contacts(1, stage="customer"))
    assert run(house).changed == 1
    assert stages(server) == {"p1@example.com": "customer"}


def test_a_merged_record_gets_its_new_id_and_is_not_deleted(house: House, server: HubspotServer) -> None:
    house.want(contacts(1))
    run(house)
    (ours,) = server.live()
    theirs = server.add(email="boss@example.com", lastname="theirs")
    merge(server, theirs.id, ours.id)
    (both,) = server.live()
    house.want(contacts(1, stage="customer"))
    run(house)
    assert ids(house) == {"p1@example.com": both.id}
    assert stages(server) == {"boss@example.com": "customer"}

    nobody(house)
    assert run(house).removed == 1
    assert (both.archived, both.properties.get("kinship_stage"), both.properties["lastname"]) == (False, None, "theirs")


def test_a_record_that_was_merged_before_its_removal_is_only_cleared(house: House, server: HubspotServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    ours = next(record for record in server.live() if record.properties["email"] == "p1@example.com")
    theirs = server.add(email="boss@example.com", lastname="theirs")
    merge(server, theirs.id, ours.id)
    house.want(contacts(2))
    assert run(house).removed == 1
    assert stages(server) == {"boss@example.com": None, "p2@example.com": "lead"}


def test_two_keys_of_one_contact_do_not_spoil_a_batch(house: House, server: HubspotServer) -> None:
    server.add(email="p1@example.com", hs_additional_emails="p2@example.com")
    house.want(contacts(1, 2, 3))
    result = run(house)
    assert (result.added, result.refused, server.broken) == (3, {}, [])
    assert set(stages(server)) == {"p1@example.com", "p3@example.com"}


def test_a_removal_archives_ours_and_clears_theirs(house: House, server: HubspotServer) -> None:
    theirs = server.add(email="p1@example.com", firstname="Ana", kinship_stage="old")
    house.want(contacts(1, 2, firstname="Bea"))
    run(house)
    nobody(house)
    assert run(house).removed == 2
    assert server.live() == [theirs]
    assert theirs.properties == {"email": "p1@example.com", "firstname": "Bea"}, "only what is custom is emptied"


def test_update_never_creates_and_create_never_changes(tmp_path: Path, server: HubspotServer) -> None:
    server.add(email="p1@example.com", kinship_stage="theirs")
    update = make_house(tmp_path / "update", mode="update")
    update.want(contacts(1, 2))
    assert (run(update).refused, stages(server)) == ({"not_found": 1}, {"p1@example.com": "lead"})
    create = make_house(tmp_path / "create", mode="create")
    create.want(contacts(1, 3, stage="new"))
    result = run(create)
    assert (result.added, result.refused) == (1, {"already_exists": 1})
    assert stages(server) == {"p1@example.com": "lead", "p3@example.com": "new"}


def test_create_that_meets_a_record_made_meanwhile_refuses_that_row(tmp_path: Path, server: HubspotServer) -> None:
    house = make_house(tmp_path, mode="create")
    house.want(contacts(1, 2))
    handle = server.handle

    def late(request: Any) -> Any:
        if request.path.endswith("/batch/create") and not server.live():
            server.add(email="p1@example.com", kinship_stage="theirs")
        return handle(request)

    server.handle = late  # type: ignore[method-assign]
    assert run(house).refused == {"already_exists": 1}
    assert stages(server) == {"p1@example.com": "theirs", "p2@example.com": "lead"}


@pytest.mark.parametrize(
    ("block", "row", "message"),
    [
        ({}, {"kinship_stgae": "x"}, "'kinship_stgae' is not a property of"),
        ({}, {"hs_object_id": "1"}, "'hs_object_id' is read-only in"),
        ({"options": {"clear_fields": "nothing"}}, {}, "'nothing' is not a property of"),
        ({"object": "companies", "key": "domain"}, {"domain": "a.com"}, "domain does not"),
        ({"object": "horses"}, {}, "does not know the object 'horses'"),
        ({"object": "lists"}, {}, "needs the option list_id"),
        ({"object": "lists", "options": {"list_id": 7}}, {"kinship_stage": "x"}, "knows members only"),
        ({"object": "lists", "options": {"list_id": 8}}, {}, "is DYNAMIC"),
        ({"object": "lists", "options": {"list_id": 9}}, {}, "not a list of contacts"),
        ({"object": "lists", "options": {"list_id": 10}}, {}, "has no list 10"),
        ({"object": "lists", "mode": "create", "options": {"list_id": 7}}, {}, "exist already"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_row(
    tmp_path: Path, server: HubspotServer, block: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    house = make_house(tmp_path, **block)
    house.want([{"customer_id": "c1", **({} if house.sync.key == "domain" else {"email": "p1@example.com"}), **row}])
    with pytest.raises(ConfigurationError, match=message):
        run(house)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("boolean", "true", "true"),
        ("integer", "12", "12"),
        ("decimal(10,2)", "12.10", "12.1"),
        ("decimal(5,0)", "100", "100"),
        ("double", "100.0", "100"),
        ("double", "0.25", "0.25"),
        ("double", "nan", None),
        ("date", "2026-02-03", "2026-02-03"),
        ("timestamp", "2026-02-03 04:05:06.789", "2026-02-03T04:05:06.789Z"),
        ("timestamptz", "2026-02-03 04:05:06+02", "2026-02-03T02:05:06.000Z"),
        ("text[]", "[a, b]", "a;b"),
    ],
)
def test_values_are_texts_as_hubspot_writes_them(kind: str, value: str, text: str | None) -> None:
    table = duckdb.sql(f"select cast('{value}' as {kind}) as value")
    rendered = Hubspot.render('"value"', str(table.types[0]))
    assert table.project(rendered).fetchone() == (text,)


def test_members_come_and_go_and_strangers_are_refused(tmp_path: Path, server: HubspotServer) -> None:
    one, two, three = (server.add(email=f"p{n}@example.com") for n in (1, 2, 3))
    server.lists["7"].members = {one.id, three.id}
    house = make_house(tmp_path, object="lists", options={**QUICK, "list_id": 7})
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com"} for n in (1, 2, 9)])
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert (result.added, result.refused) == (2, {"not_found": 1}), "who was a member already is one"
    assert server.lists["7"].members == {one.id, two.id, three.id}
    assert planned == 5 and result.calls == 6, "one call more asks about who was left out of the answer"
    house.want([{"customer_id": "c2", "email": "p2@example.com"}])
    assert run(house).removed == 1
    assert server.lists["7"].members == {two.id, three.id} and len(server.live()) == 3


def test_a_list_that_says_yes_and_does_nothing_is_not_believed(tmp_path: Path, server: HubspotServer) -> None:
    server.add(email="p1@example.com")
    house = make_house(tmp_path, object="lists", options={**QUICK, "list_id": 7})
    house.want([{"customer_id": "c1", "email": "p1@example.com"}])
    server.faults.silent = 1.0
    assert run(house).refused == {"no_outcome": 1}
    server.faults.silent = 0.0
    house.no_wait()
    assert run(house).added == 1
    nobody(house)
    server.faults.silent = 1.0
    assert run(house).refused == {"no_outcome": 1} and server.lists["7"].members
    server.faults.silent = 0.0
    house.no_wait()
    assert run(house).removed == 1 and not server.lists["7"].members


def test_a_list_follows_a_contact_that_was_merged(tmp_path: Path, server: HubspotServer) -> None:
    one, other = server.add(email="p1@example.com"), server.add(email="other@example.com")
    house = make_house(tmp_path, object="lists", options={**QUICK, "list_id": 7})
    house.want([{"customer_id": "c1", "email": "p1@example.com"}])
    run(house)
    merge(server, other.id, one.id)
    (both,) = server.live()
    server.lists["7"].members = {both.id}
    nobody(house)
    assert run(house).removed == 1
    assert not server.lists["7"].members


def test_erasure_deletes_for_good_and_blocks_nobody(tmp_path: Path, server: HubspotServer) -> None:
    theirs, ours = server.add(email="p1@example.com"), server.add(email="p2@example.com")
    merged = server.add(email="p3@example.com")
    merge(server, merged.id, ours.id)
    rows = [
        Row("p1@example.com", None, "c1", Operation.ERASE),
        Row("p2@example.com", None, "c2", Operation.ERASE, ours.id, True),
        Row("nobody@example.com", None, "c4", Operation.ERASE),
        Row("gone@example.com", None, "c5", Operation.ERASE, "999", True),
    ]
    outcomes = asked(tmp_path, lambda destination: destination.erase(Batch("1", rows)))
    assert {outcome.key: outcome.status for outcome in outcomes} == {row.key: "accepted" for row in rows}
    assert server.live() == [] and theirs.id not in server.records["contacts"]
    assert server.blocked == set(), "an address that HubSpot does not know would be blocked for ever"
    assert server.count("/gdpr-delete") == 2


def test_an_erased_company_is_archived(tmp_path: Path, server: HubspotServer) -> None:
    server.add("companies", kinship_id="a1", name="A")
    rows = [Row("a1", None, "c1", Operation.ERASE)]
    asked(tmp_path, lambda d: d.erase(Batch("1", rows)), object="companies", key="kinship_id")
    assert server.live("companies") == []


def test_a_record_of_the_same_person_is_merged_once(tmp_path: Path, server: HubspotServer) -> None:
    stays, goes = server.add(email="p1@example.com"), server.add(email="p2@example.com")
    by_key = server.add(email="p3@example.com")
    rows = [
        Row("p2@example.com", None, "c1", Operation.REMOVE, goes.id, True, merge_into=stays.id),
        Row("p3@example.com", None, "c1", Operation.REMOVE, by_key.id, True, merge_into="p1@example.com"),
    ]
    for _ in range(2):  # the second time as after a lost answer
        outcomes = asked(tmp_path, lambda destination: destination.remove(Batch("1", rows)))
        assert [outcome.status for outcome in outcomes] == ["accepted", "accepted"]
    (both,) = server.live()
    assert both.properties["email"] == "p1@example.com"
    assert set(both.properties["hs_additional_emails"].split(";")) == {"p2@example.com", "p3@example.com"}


@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_people_who_became_one_are_one_contact(house: House, server: HubspotServer, who: str) -> None:
    if who == "theirs":
        server.add(email="p2@example.com")
    house.want(contacts(1, 2))
    run(house)
    with duckdb.connect(str(house.settings.warehouse)) as connection:
        connection.execute("create schema identity")
        connection.execute(
            "create table identity.identity_redirects as select 'c2' customer_id, 'c1' current_customer_id"
        )
    house.want(contacts(1, stage="customer"))
    result = run(house)
    assert (result.changed, result.removed, result.refused) == (1, 1, {})
    (both,) = server.live()
    assert (both.properties["email"], both.properties["hs_additional_emails"]) == ("p1@example.com", "p2@example.com")
    assert both.properties["kinship_stage"] == "customer"
    assert ids(house) == {"p1@example.com": both.id}
    nobody(house)
    run(house)
    assert both.archived == (who == "ours"), "what others made a part of stays"
    assert both.archived or "kinship_stage" not in both.properties


def test_drift_reads_what_is_there(tmp_path: Path, server: HubspotServer) -> None:
    one = server.add(email="P1@example.com".lower(), kinship_stage="lead")
    server.add(email="p2@example.com")
    rows = [
        Row("p1@example.com", None, "c1", Operation.CHANGE, one.id),
        Row("p2@example.com", None, "c2", Operation.CHANGE),
        Row("p3@example.com", None, "c3", Operation.CHANGE, "999"),
    ]
    found = asked(tmp_path, lambda destination: destination.read(rows))
    assert {each.key: dict(each.fields) for each in found} == {
        "p1@example.com": {"email": "p1@example.com", "kinship_stage": "lead"},
        "p2@example.com": {"email": "p2@example.com", "kinship_stage": None},
    }


def test_opt_outs_come_page_by_page_with_their_time(
    tmp_path: Path, server: HubspotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubspot, "_PAGE", 2)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for n in range(6):
        server.add(email=f"p{n}@example.com")
    for n in range(5):
        server.opt_out(f"p{n}@example.com", at + timedelta(days=n))
    told = asked(tmp_path, lambda destination: destination.opt_outs(None))
    assert {(each.key, each.channel, each.at.day) for each in told} == {
        (f"p{n}@example.com", "email", 2 + n) for n in range(5)
    }
    since = datetime(2026, 1, 5)
    told = asked(tmp_path, lambda destination: destination.opt_outs(since))
    assert {each.key for each in told} == {"p3@example.com", "p4@example.com"}


def test_an_account_that_does_not_tell_when_tells_who(
    tmp_path: Path, server: HubspotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(email="p1@example.com")
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    server.opt_out("p1@example.com", at)
    monkeypatch.setattr(server, "_unsubscribed", lambda _: Answer(403, {"category": "MISSING_SCOPES"}))
    (told,) = asked(tmp_path, lambda destination: destination.opt_outs(None))
    assert (told.key, told.at) == ("p1@example.com", at.replace(tzinfo=None)), "the record's last change"


def test_who_opted_out_over_there_is_not_sent(house: House, server: HubspotServer) -> None:
    house.want(contacts(1, 2))
    run(house)
    server.opt_out("p1@example.com", datetime.now(UTC))
    house.want(contacts(1, 2, stage="customer"))
    result = run(house)
    assert result.opted_out == 1
    assert stages(server) == {"p2@example.com": "customer"}, "and what the sync made is taken back"


def merge(server: HubspotServer, primary: str, merged: str) -> None:
    """Somebody merges two contacts in HubSpot."""
    body = f'{{"primaryObjectId": "{primary}", "objectIdToMerge": "{merged}"}}'.encode()
    server._merge(Request("POST", "", {}, {}, body), "contacts")
