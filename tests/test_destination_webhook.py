"""The webhook beyond conformance: signature, idempotency, row results, where it leads, how values are written."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, people, use
from servers.base import Answer, Request
from servers.webhook import SECRET, Receiver

from reverse_etl import ConfigurationError, RunResult, check_destination, plan_sync, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Operation, Row, Target, destination_class
from reverse_etl.errors import Retryable
from reverse_etl.pace import Meter

HASTE = Patience(attempts=8, first_wait=0.001, longest_wait=0.005, rate_limit_wait=0.01)


class Sink(Receiver):
    """Takes anything."""

    def _apply(self, told: Any) -> Answer:
        for row in told if isinstance(told, list) else [told]:
            self.events.append((row["_operation"], row["email"]))
            self.records[row["email"]] = row
        return Answer(200, {})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with Sink() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path, server: Sink) -> House:
    house = House(tmp_path, "sync_webhook__people", mode="mirror", max_change_share=1)
    house.consent([(f"c{n}", "granted") for n in range(1000)])
    return house


def run(house: House) -> RunResult:
    return run_sync(house.sync, house.settings, patience=HASTE)


def test_a_receiver_can_verify_a_call_with_six_lines(house: House, server: Sink) -> None:
    house.want(people(1))
    run(house)
    (request,) = server.requests
    headers = request.headers
    signed = headers["kinship-timestamp"].encode() + b"." + request.body
    assert headers["kinship-signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["kinship-sync"] == "sync_webhook__people" and headers["content-type"] == "application/json"
    assert request.json() == [{"_operation": "upsert", "email": "p1@example.com", "firstname": "Ana1"}]


def test_the_same_rows_have_the_same_idempotency_key_after_a_lost_answer(house: House, server: Sink) -> None:
    house.want(people(*range(5)))
    server.faults.drop_after = 1
    assert run(house).status == "incomplete"
    server.faults.drop_after = 0
    assert run(house).status == "done"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(server.requests) > 1 and len(server.events) == 5


@pytest.mark.parametrize("one_per_call", [False, True])
def test_a_value_that_changes_and_changes_back_arrives_three_times(
    house: House, server: Sink, one_per_call: bool
) -> None:
    house.reload(options={"one_per_call": one_per_call})
    for name in ("Ana", "Eva", "Ana"):
        house.want(people(1, firstname=name))
        run(house)
    house.want([])
    run(house)
    house.want(people(1, firstname="Ana"))
    run(house)
    assert [operation for operation, _ in server.events] == ["upsert"] * 3 + ["remove", "upsert"]


def test_values_are_written_as_json_has_them(house: House, server: Sink) -> None:
    types = {
        "customer_id": "text", "email": "text", "day": "date", "at": "timestamp", "at_zone": "timestamptz",
        "small": "decimal(10,2)", "wide": "decimal(38,9)", "ratio": "double", "is_vip": "boolean",
        "tags": "text[]", "spent": "struct(eur decimal(10,2), since date)", "big": "hugeint", "empty": "text",
    }  # fmt: skip
    row = {
        "customer_id": "c1", "email": "p1@example.com", "day": date(2026, 2, 28),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678), "at_zone": "2026-01-02 03:04:05+02", "small": Decimal("1.10"),
        "wide": Decimal("12345678901234567890.123456789"), "ratio": float("nan"), "is_vip": True,
        "tags": ["a", "ü", None], "spent": {"eur": Decimal("2.50"), "since": date(2026, 1, 1)}, "big": 2**100,
        "empty": None,
    }  # fmt: skip
    house.reload(on_null="clear")
    house.want([row], types)
    assert run(house).refused == {}
    assert server.records["p1@example.com"] == {
        "_operation": "upsert", "email": "p1@example.com", "day": "2026-02-28", "at": "2026-01-02T03:04:05.000678Z",
        "at_zone": "2026-01-02T01:04:05.000000Z", "small": 1.1, "wide": "12345678901234567890.123456789",
        "ratio": None, "is_vip": True, "tags": ["a", "ü", None], "spent": {"eur": 2.5, "since": "2026-01-01"},
        "big": str(2**100), "empty": None,
    }  # fmt: skip


def test_null_is_left_out_unless_it_clears(house: House, server: Sink) -> None:
    house.want([{**people(1)[0], "firstname": None}])
    run(house)
    assert "firstname" not in server.records["p1@example.com"]


def test_one_row_per_call_is_planned_and_sent_as_an_object(house: House, server: Sink) -> None:
    house.reload(options={"one_per_call": True, "concurrency": 4})
    house.want(people(*range(30)))
    assert plan_sync(house.sync, house.settings).calls == 30
    result = run(house)
    assert (result.added, result.calls, server.calls) == (30, 30, 30)
    assert all(isinstance(request.json(), dict) for request in server.requests)


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_address_that_is_not_there_stops_the_run_instead_of_refusing_everybody(
    house: House, server: Sink, status: int
) -> None:
    server.status = status
    house.want(people(*range(3)))
    with pytest.raises(ConfigurationError, match="KINSHIP_WEBHOOK_URL"):
        run(house)
    assert server.calls == 1
    server.status = None
    assert run(house).added == 3


def test_a_removal_of_what_is_gone_is_done(house: House, server: Sink) -> None:
    house.reload(options={"one_per_call": True})
    house.want(people(1, 2))
    run(house)
    house.want(people(2))
    server.status = 410
    result = run(house)
    assert (result.removed, result.refused) == (1, {})


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_statuses_that_pass_are_tried_again(house: House, server: Sink, status: int) -> None:
    server.status = status
    house.want(people(1))
    options = Patience(attempts=3, first_wait=0.001, rate_limit_wait=0.01, rate_limit_total=0.03)
    result = run_sync(house.sync, house.settings, patience=options)
    assert (result.status, result.left, result.refused) == ("incomplete", 1, {}) and server.calls > 1
    server.status = None
    assert run(house).added == 1


def test_a_redirect_is_not_followed(house: House, server: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(request: Request) -> Answer:
        return Answer(307, {}, {"Location": "http://169.254.169.254/latest/meta-data/"})

    monkeypatch.setattr(server, "handle", elsewhere)
    house.want(people(1))
    with pytest.raises(ConfigurationError, match="sends us elsewhere"):
        run(house)
    assert server.calls == 1


def test_a_private_address_is_not_reached_unless_it_is_allowed(
    house: House, server: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KINSHIP_WEBHOOK_ALLOW")
    house.want(people(1))
    with pytest.raises(ConfigurationError, match="KINSHIP_WEBHOOK_ALLOW") as told:
        run(house)
    assert "of-the-path" not in str(told.value)
    assert check_destination("webhook", house.sync).status == "failed"
    assert server.calls == 0


def test_the_environments_proxy_is_not_used(house: House, server: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    house.want(people(1))
    assert run(house).added == 1


def test_an_endpoint_has_an_address_and_a_secret_of_its_own(
    house: House, server: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINSHIP_WEBHOOK_LOYALTY_URL", server.environment["KINSHIP_WEBHOOK_URL"])
    monkeypatch.setenv("KINSHIP_WEBHOOK_LOYALTY_SECRET", SECRET)
    monkeypatch.setenv("KINSHIP_WEBHOOK_URL", "http://127.0.0.1:9")
    house.reload(options={"endpoint": "loyalty"})
    house.want(people(1))
    assert run(house).added == 1


def test_a_code_that_is_no_code_is_not_kept(house: House, server: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(request: Request) -> Answer:
        rows = [{"key": row["email"], "status": "rejected", "error": f"bad {row['email']}"} for row in request.json()]
        return Answer(200, {"results": rows})

    monkeypatch.setattr(server, "handle", told)
    house.want(people(1))
    assert run(house).refused == {"rejected": 1}


def test_one_failure_of_many_lanes_keeps_the_outcomes_of_the_others(
    tmp_path: Path, server: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No outcome is lost, and no call is made after the failure."""
    plain = server.handle

    def handle(request: Request) -> Answer:
        return Answer(503, {}) if json.loads(request.body)["email"] == "p7@example.com" else plain(request)

    monkeypatch.setattr(server, "handle", handle)
    kind = destination_class("webhook")
    options = kind.options_model.model_validate({"one_per_call": True, "concurrency": 3})
    target = Target("s", "people", "email", "upsert", "leave", ("email",), {}, None, options, tmp_path, Meter())
    rows = [Row(f"p{n}@example.com", None, None, Operation.REMOVE) for n in range(50)]

    async def deliver() -> list[str]:
        destination = kind(target)
        keys = []
        with pytest.raises(Retryable):
            async for outcome in destination.remove(Batch("1-x", rows)):
                keys.append(outcome.key)
        await destination.close()
        return keys

    keys = asyncio.run(deliver())
    assert sorted(keys) == sorted(key for _, key in server.events)
    assert 7 <= len(keys) < 12


def test_check_reaches_the_receiver_and_says_what_is_wrong(
    house: House, server: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_destination("webhook", house.sync).status == "ok"
    assert server.events == []
    server.status = 404
    assert "KINSHIP_WEBHOOK_URL" in check_destination("webhook", house.sync).message
    server.status = None
    monkeypatch.setenv("KINSHIP_WEBHOOK_SECRET", "x")
    assert "KINSHIP_WEBHOOK_SECRET" in check_destination("webhook", house.sync).message
    monkeypatch.setenv("KINSHIP_WEBHOOK_URL", "ftp://x")
    assert "KINSHIP_WEBHOOK_URL is not a URL" in check_destination("webhook", house.sync).message
