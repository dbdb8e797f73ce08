"""Vtiger One beyond conformance: calls by edition, flood control, messages in the status line, tags, opt-outs."""

import asyncio
import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.base import Answer, Request
from servers.direct import target
from servers.vtiger_one import ACCESS_KEY, API, USER, One

from reverse_etl import ConfigurationError, RunResult, check_destination, plan_sync, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Operation, Row, destination_class
from reverse_etl.limits import Rate

HASTE = Patience(attempts=8, first_wait=0.001, longest_wait=0.002, rate_limit_wait=0.01)
KIND = destination_class("vtiger_one")
FAST = {"settle_seconds": 0, "requests_per_second": 10_000}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[One]:
    with One() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path, server: One) -> House:
    house = House(
        tmp_path, "sync_vtiger_one__contacts", object="Contacts", mode="mirror", options=FAST, max_change_share=1
    )
    house.consent([(f"c{n}", "granted") for n in range(400)])
    return house


def contacts(*numbers: int, stage: str = "lead") -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n}", "email": f"p{n}@example.com", "lastname": f"O'Neil {n}", "cf_kinship_stage": stage}
        for n in numbers
    ]


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE)


@pytest.mark.parametrize(
    ("options", "per_day", "rates"),
    [
        ({}, 3_200, (30, 1_000)),
        # the vendor's own example
        ({"edition": "professional", "users": 2}, 7_200, (60, 4_000)),
        ({"edition": "professional", "users": 109}, 71_400, (60, 4_000)),
        ({"edition": "professional", "users": 110}, 72_000, (60, 4_000)),
        ({"edition": "professional", "users": 111}, 72_000, (60, 4_000)),
        ({"edition": "professional", "users": 2, "boosters": 10_000}, 17_200, (60, 4_000)),
        ({"edition": "enterprise", "users": 10}, 16_000, (90, 5_000)),
        ({"edition": "ai", "users": 200}, 120_000, (90, 5_000)),
        ({"edition": "growth", "users": 500}, 24_000, (30, 1_000)),
    ],
)
def test_the_calls_of_an_account_go_by_its_edition_and_users(
    options: dict[str, Any], per_day: int, rates: tuple[int, int]
) -> None:
    limits = KIND.limits("Contacts", KIND.options_model.model_validate(options))
    assert limits.calls_per_day == per_day
    assert limits.rates == (Rate(rates[0], 60), Rate(rates[1], 3600))


def test_rows_beyond_the_day_are_withheld(house: House, server: One) -> None:
    house.reload(options={**FAST, "requests_per_day": 30})
    house.want(contacts(*range(50)))
    result = run(house)
    assert result.added + result.withheld["quota"] == 50 and 20 <= result.added <= 30
    assert server.calls <= 30


def test_the_plan_knows_the_number_of_calls(house: House, server: One) -> None:
    house.want(contacts(*range(120)))
    planned = plan_sync(house.sync, house.settings).calls
    assert (planned, run(house).calls, server.calls) == (125, 125, 125)


def test_a_call_is_a_form_with_json_inside(house: House, server: One) -> None:
    house.want(contacts(1))
    run(house)
    (request,) = [request for request in server.requests if request.path == API + "create"]
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{USER}:{ACCESS_KEY}".encode()).decode()
    assert request.form()["elementType"] == "Contacts" and '"lastname": "O\'Neil 1"' in request.form()["element"]
    assert server.broken == []


def test_an_address_with_the_path_is_the_same(house: House, server: One, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_VTIGER_ONE_URL", server.url + API)
    house.want(contacts(1))
    assert run(house).added == 1


def test_the_minute_that_others_use_up_is_waited_for(house: House, server: One) -> None:
    server.minute = (6, 0.25)
    house.want(contacts(*range(20)))
    result = run(house)
    assert (result.status, result.added) == ("done", 20)
    assert server.broken == [] and result.seconds > 0.25 * 3


def test_a_day_that_is_used_up_leaves_the_rest_to_the_next_run(house: House, server: One) -> None:
    server.day_limit = 12
    house.want(contacts(*range(20)))
    result = run(house)
    assert (result.status, result.refused) == ("incomplete", {}) and 5 <= result.added < 12
    assert result.seconds < 5, "nobody waits for tomorrow"
    server.day_limit = None
    run(house)
    assert len(server.crm.live()) == 20


def test_a_message_in_the_status_line_refuses_one_row_by_its_code_alone(house: House, server: One) -> None:
    rows = contacts(1, 2, 3)
    rows[1]["lastname"] = None
    house.want(rows)
    result = run(house)
    assert (result.added, result.refused) == (2, {"mandatory_fields_missing": 1})


@pytest.mark.parametrize(
    ("reason", "body", "told"),
    [
        ("Email is not valid: p1@example.com", b"", "http_400"),
        ("Duplicate(s) detected!", b"", "duplicate"),
        (
            "Bad Request",
            {"success": False, "error": {"code": "REFERENCE_INVALID", "message": "p1"}},
            "reference_invalid",
        ),
    ],
)
def test_no_message_becomes_an_error_class(
    house: House, server: One, monkeypatch: pytest.MonkeyPatch, reason: str, body: Any, told: str
) -> None:
    plain = server.handle

    def handle(request: Request) -> Answer:
        return Answer(400, body, {}, reason) if request.path.endswith("/create") else plain(request)

    monkeypatch.setattr(server, "handle", handle)
    house.want(contacts(1))
    assert run(house).refused == {told: 1}


def test_success_false_with_status_200_is_a_failure(house: House, server: One, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = server.handle

    def handle(request: Request) -> Answer:
        if not request.path.endswith("/create"):
            return plain(request)
        return Answer(200, {"success": False, "error": {"code": "ACCESS_DENIED", "message": "no"}})

    monkeypatch.setattr(server, "handle", handle)
    house.want(contacts(1))
    assert run(house).refused == {"access_denied": 1}


def test_silence_is_no_yes(house: House, server: One) -> None:
    server.faults.silent = 1
    house.want(contacts(1))
    assert run(house).status == "incomplete"
    server.faults.silent = 0
    run(house)
    assert len(server.crm.live()) == 1


def test_a_segment_is_a_tag_that_comes_and_goes_while_the_record_stays(house: House, server: One) -> None:
    house.reload(options={**FAST, "tag": "Win back"})
    server.tags[server.crm.add(email="p1@example.com", lastname="theirs")] = {"theirs"}
    house.want(contacts(1, 2))
    planned = plan_sync(house.sync, house.settings).calls
    result = run(house)
    assert result.calls <= planned
    assert server.tagged("Win back") == ["p1@example.com", "p2@example.com"]
    house.want(contacts(2))
    assert run(house).removed == 1
    assert (server.tagged("Win back"), server.tagged("theirs")) == (["p2@example.com"], ["p1@example.com"])
    house.want([], dict.fromkeys(contacts(1)[0], "text"))
    run(house)
    assert server.tagged("Win back") == [] and len(server.crm.live()) == 2


def test_a_segment_of_keys_alone_changes_no_field(house: House, server: One) -> None:
    house.reload(options={**FAST, "tag": "vip"}, mode="update", removal="remove")
    server.crm.add(email="p1@example.com", lastname="theirs")
    house.want([{"customer_id": f"c{n}", "email": f"p{n}@example.com"} for n in (1, 2)])
    result = run(house)
    assert (result.added, result.refused) == (1, {"not_found": 1})
    assert server.tagged("vip") == ["p1@example.com"] and server.count("revise") == 0


def test_a_tag_whose_call_was_lost_is_set_by_the_next_try(house: House, server: One) -> None:
    house.reload(options={**FAST, "tag": "vip"})
    server.faults.drop_before, server.faults.seed = 0.3, 4
    server.faults.__post_init__()
    house.want(contacts(*range(15)))
    for _ in range(20):
        if run(house).status == "done":
            break
    server.faults.drop_before = 0
    run(house)
    assert len(server.tagged("vip")) == len(server.crm.live()) == 15


def test_an_erasure_deletes_whoever_made_the_record(server: One) -> None:
    theirs = server.crm.add(email="p1@example.com", lastname="theirs")
    goal = target(KIND, {**FAST, "tag": "vip"}, object="Contacts", key="email")

    async def erase() -> list[str]:
        destination = KIND(goal)
        rows = [Row("p1@example.com", None, None, Operation.ERASE, theirs)]
        statuses = [outcome.status async for outcome in destination.erase(Batch("1", rows))]
        await destination.close()
        return statuses

    assert asyncio.run(erase()) == ["accepted"] and server.crm.live() == []


def test_records_are_read_back_and_opt_outs_are_told(server: One) -> None:
    server.crm.add(email="P1@example.com", lastname="A", cf_kinship_stage="", modifiedtime="2026-01-01 00:00:00")
    server.crm.add(email="p2@example.com", lastname="B", emailoptout="1", modifiedtime="2026-01-02 03:04:05")
    server.crm.add(email="p3@example.com", lastname="C", emailoptout="1", modifiedtime="2026-02-01 00:00:00")
    goal = target(
        KIND, FAST, object="Contacts", key="email", fields=("email", "lastname", "cf_kinship_stage"),
    )  # fmt: skip

    async def ask() -> tuple[list[Any], list[Any], list[Any]]:
        destination = KIND(goal)
        rows = [Row(f"p{n}@example.com", None, None, Operation.CHANGE) for n in (1, 2, 9)]
        found = [record async for record in destination.read(rows)]
        ever = [one async for one in destination.opt_outs(None)]
        late = [one async for one in destination.opt_outs(datetime(2026, 1, 2, 3, 4, 5) + timedelta(seconds=1))]
        await destination.close()
        return found, ever, late

    found, ever, late = asyncio.run(ask())
    assert [(one.key, dict(one.fields)) for one in found] == [
        ("p1@example.com", {"email": "P1@example.com", "lastname": "A", "cf_kinship_stage": None}),
        ("p2@example.com", {"email": "p2@example.com", "lastname": "B", "cf_kinship_stage": None}),
    ]
    assert (ever[0].channel, ever[0].at) == ("email", datetime(2026, 1, 2, 3, 4, 5))
    assert [one.key for one in ever] == ["p2@example.com", "p3@example.com"]
    assert [one.key for one in late] == ["p3@example.com"]


def test_who_opted_out_over_there_is_not_sent(house: House, server: One) -> None:
    server.crm.add(email="p1@example.com", lastname="theirs", emailoptout="1")
    house.reload(channel="email")
    house.want(contacts(1, 2))
    result = run(house)
    assert result.added == 1 and "p1@example.com" not in [
        record["email"] for record in server.crm.live() if record["cf_kinship_stage"]
    ]


def test_check_says_what_is_wrong(house: House, server: One, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_destination("vtiger_one", house.sync).status == "ok"
    house.reload(object="Nope")
    assert "no module 'Nope'" in check_destination("vtiger_one", house.sync).message
    monkeypatch.setenv("KINSHIP_VTIGER_ONE_URL", server.url + "/restapi/v2/other")
    assert "404" in check_destination("vtiger_one", house.sync).message
    house.reload(object="Contacts")
    house.want(contacts(1))
    with pytest.raises(ConfigurationError):
        run(house)


def test_options_that_cannot_be_are_named(house: House) -> None:
    for options, told in (({"edition": "pilot"}, "edition"), ({"tag": "a,b"}, "tag"), ({"users": 0}, "users")):
        with pytest.raises(ConfigurationError, match=told):
            house.reload(options=options)
