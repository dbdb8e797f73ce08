"""HubSpot's live API, over real HTTP into a real warehouse: what the CRM holds is what the raw tables tell."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from extract_house import query, raw
from live_house import latest
from servers.base import Faults
from servers.hubspot import HubspotServer, Record, written

from orchestration.extract import extract, sources
from orchestration.extract.live import Patience, Span, hubspot, state

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubspotServer]:
    with HubspotServer() as server:
        monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
        for name, value in server.source_environment.items():
            monkeypatch.setenv(name, value)
        api = sources()["hubspot"].api
        assert api
        quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
        monkeypatch.setattr(sources()["hubspot"], "api", replace(api, rates={}, patience=quick))
        monkeypatch.setattr(hubspot, "SEARCHED", 20)
        yield server


def contact(server: HubspotServer, number: int, at: datetime = BEGIN, **properties: str) -> Record:
    record = server.add(email=f"p{number}@example.com", firstname="Ана", **properties)
    record.changed_at = at
    return record


def change(record: Record, at: datetime | None = None, **properties: str) -> None:
    record.properties.update(properties)
    record.changed_at = at or datetime.now(UTC)


def later(monkeypatch: pytest.MonkeyPatch, server: HubspotServer, days: int) -> None:
    """Let the CRM's clock go on."""
    answer = server.answer

    def dated(request: Any) -> Any:
        found = answer(request)
        if found is not None:
            at = datetime.now(UTC) + timedelta(days=days)
            found.headers["Date"] = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return found

    monkeypatch.setattr(server, "answer", dated)


def differences(server: HubspotServer, object: str = "contacts") -> list[str]:
    """Ids of records that the raw table lacks, has otherwise than the CRM, or has beyond it."""
    held, wrong = latest("hubspot", object), []
    there = {id: one for id, one in server.records[object].items() if one.merged_into is None}
    for id, record in there.items():
        row = held.get(id)
        if row is None or (row["archived"] == "true") != record.archived:
            wrong.append(id)
        elif not record.archived:
            properties = json.loads(row["properties"])
            told = {name: properties[name] for name in record.properties if name in properties}
            same = {name: value for name, value in record.properties.items() if name in properties}
            if told != same or datetime.fromisoformat(row["updated_at"]) != datetime.fromisoformat(
                written(record.changed_at)
            ):
                wrong.append(id)
    return sorted([*wrong, *(held.keys() - there.keys())])


def rows(table: str) -> int:
    return int(query(f"select count(*) from {raw('hubspot', table)} as records")[0][0])


def test_what_the_crm_holds_is_what_the_raw_tables_tell(crm: HubspotServer) -> None:
    for number in range(130):
        contact(crm, number, BEGIN + timedelta(seconds=number % 3))
    firm = crm.add("companies", name="Ovens Ltd", domain="ovens.example")
    deal = crm.add("deals", dealname="Two ovens", dealstage="contractsent", pipeline="default")
    deal.beside = {"contacts": [(f"10{n}", 3) for n in (3, 1, 2)], "companies": [(firm.id, 341), (firm.id, 5)]}
    crm.add("deals", dealname="Of nobody")
    call = crm.add("calls", hs_timestamp="2026-01-05T10:00:00Z")
    call.beside = {"contacts": [("101", 194)]}
    crm.pipelines = [{"id": "default", "label": "Sales", "stages": [], "updatedAt": "2026-01-01T00:00:00Z"}]
    status = {"subscriptionId": 7, "subscriptionName": "Marketing Information", "status": "SUBSCRIBED"}
    crm.subscriptions["p5@example.com"] = [status]

    result = extract("hubspot")

    assert (result.notes, result.quarantined, crm.broken) == ([], {}, [])
    assert result.rows == {
        "contacts": 130, "companies": 1, "deals": 2, "deal_pipelines": 1, "calls": 1, "meetings": 0,
        "subscription_statuses": 130,
    }  # fmt: skip
    assert differences(crm) == differences(crm, "deals") == differences(crm, "companies") == []
    told = {one["id"]: json.loads(one["associations"]) for one in latest("hubspot", "deals").values()}
    assert told[deal.id] == {
        "contacts": {"results": [{"id": f"10{n}", "type": "deal_to_contact"} for n in (1, 2, 3)]},
        "companies": {"results": [{"id": firm.id, "type": "deal_to_company"}]},
    }
    statuses = query(
        f"select statuses from {raw('hubspot', 'subscription_statuses')} as one "
        "where subscriber_id_string = 'p5@example.com'"
    )
    assert json.loads(statuses[0][0]) == [status]


def test_a_second_run_makes_a_call_or_two_for_each_table_and_writes_nothing(crm: HubspotServer) -> None:
    for number in range(50):
        contact(crm, number, BEGIN + timedelta(hours=number))
    extract("hubspot")
    before = crm.calls
    again = extract("hubspot")
    assert sum(again.rows.values()) == 0 and again.load_ids == []
    # a search for each of five objects and for addresses, the pipelines, and the subscriptions of the last contact
    assert crm.calls == before + 5 + 1 + 1 + 1
    contact(crm, 99, datetime.now(UTC))
    assert extract("hubspot").rows == dict.fromkeys(again.rows, 0) | {"contacts": 1, "subscription_statuses": 1}


def test_more_records_than_a_search_gives_and_changes_while_pages_are_turned(crm: HubspotServer) -> None:
    """Paging goes by id, so that 10,000 results are no limit, and a record that changes leaves no gap."""
    records = [contact(crm, number) for number in range(210)]
    turned = iter(range(1000))

    def turn() -> None:
        number = next(turned)
        change(records[number % 7], firstname=f"early {number}")
        change(records[-1 - number % 7], firstname=f"late {number}")
        contact(crm, 1000 + number, datetime.now(UTC))

    crm.turned = turn
    extract("hubspot")
    crm.turned = lambda: None
    extract("hubspot")
    assert differences(crm) == []
    assert sum(extract("hubspot").rows.values()) == 0


def test_what_comes_late_to_the_index_is_found_within_the_overlap(crm: HubspotServer) -> None:
    contact(crm, 1, datetime.now(UTC) - timedelta(minutes=2))
    late = contact(crm, 2, datetime.now(UTC) - timedelta(minutes=3))
    crm.unseen = {late.id}
    assert extract("hubspot").rows["contacts"] == 1
    crm.unseen = set()
    assert extract("hubspot").rows["contacts"] == 1
    assert differences(crm) == []


def test_a_search_that_is_cut_off_goes_on_where_it_was(crm: HubspotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        contact(crm, number)
    write, written_rows = state.Arrivals._write, []

    def some(arrivals: state.Arrivals, new: Any, *others: Any) -> None:
        if arrivals.folder.name == "contacts":
            written_rows.extend(new)
            if len(written_rows) == 60:
                raise KeyboardInterrupt
        write(arrivals, new, *others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state.Arrivals, "_write", some)
        extract("hubspot")
    before = crm.calls
    assert extract("hubspot").rows["contacts"] == 100
    searched = [
        request.json()["filterGroups"][0]["filters"][0]["value"]
        for request in crm.requests[before:]
        if request.path.endswith("contacts/search") and len(request.json()["properties"]) > 1
    ]
    ids = sorted(crm.records["contacts"], key=int)
    assert searched == [ids[39], ids[59], ids[79], ids[99]]
    assert differences(crm) == []


def test_archived_erased_merged_and_restored(crm: HubspotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for once a day. A deleted contact is told as archived; one deleted for good, or merged, is gone."""
    records = [contact(crm, number) for number in range(8)]
    old = contact(crm, 8)
    old.archived, old.archived_at = True, BEGIN
    extract("hubspot")
    assert differences(crm) == []
    for record in records[:2]:
        record.archived, record.archived_at = True, datetime.now(UTC)
    del crm.records["contacts"][records[2].id]
    body = {"primaryObjectId": records[3].id, "objectIdToMerge": records[4].id}
    crm._merge(type("Asked", (), {"json": lambda _: body})(), "contacts")
    assert extract("hubspot").rows["contacts"] == 1  # the result of the merge

    later(monkeypatch, crm, 1)
    assert extract("hubspot").rows["contacts"] == 2 + 1 + 2
    assert differences(crm) == []

    records[0].archived, records[0].archived_at = False, None  # as it was, its time of change too
    later(monkeypatch, crm, 2)
    assert extract("hubspot").rows["contacts"] == 1
    assert differences(crm) == []
    later(monkeypatch, crm, 3)
    assert sum(extract("hubspot").rows.values()) == 0
    assert rows("contacts") == 9 + 1 + 5 + 1


@pytest.mark.parametrize("seed", range(3))
def test_a_storm(crm: HubspotServer, seed: int) -> None:
    records = [contact(crm, number, BEGIN + timedelta(seconds=number % 2)) for number in range(120)]
    deals = [crm.add("deals", dealname=str(number)) for number in range(60)]
    for number, deal in enumerate(deals):
        deal.beside = {"contacts": [(records[number].id, 3)]}
    crm.faults = Faults(
        seed=seed, drop_before=0.05, drop_after=0.05, unavailable=0.1, too_many=0.1, not_json=0.05, retry_after=0.01
    )
    crm.turned = lambda: change(records[(crm.calls * 7) % 120], firstname=str(crm.calls))
    for _ in range(2):
        assert extract("hubspot").notes == []
    crm.turned = lambda: None
    extract("hubspot")
    assert differences(crm) == differences(crm, "deals") == []
    assert sum(extract("hubspot").rows.values()) == 0


def test_a_range_is_fetched_again(crm: HubspotServer) -> None:
    records = [contact(crm, number, BEGIN + timedelta(days=number)) for number in range(10)]
    extract("hubspot")
    records[4].properties["firstname"] = "corrected behind our back"
    since, until = (int((BEGIN + timedelta(days=days)).timestamp()) * 1_000_000 for days in (3, 6))
    result = extract("hubspot", Span(since, until))
    assert result.rows["contacts"] >= 1
    assert differences(crm) == []


def test_a_batch_that_fails_in_part_fails_its_table_alone(crm: HubspotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    contact(crm, 1)
    crm.add("deals", dealname="Two ovens")
    beside = crm._beside
    monkeypatch.setattr(crm, "_beside", lambda *asked: _failed(beside(*asked)))
    result = extract("hubspot")
    assert [note for note in result.notes if "deals" in note] == [
        "hubspot, table deals: the API refuses the request (HTTP 207, INTERNAL_ERROR): "
        "see its documentation for the code"
    ]
    assert differences(crm) == []


def _failed(answer: Any) -> Any:
    answer.status, answer.body["errors"] = 207, [{"status": "error", "category": "INTERNAL_ERROR"}]
    return answer
