"""Twilio: nobody gets a message twice, who said STOP is heard, and bodies are what Twilio's specification says."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from reverse_etl_house import House, use
from servers.direct import answer, batch, target
from servers.twilio import NUMBER, SERVICE, TwilioServer, ago

from reverse_etl import AuthenticationError, ConfigurationError, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Operation, OptOut
from reverse_etl.destinations.twilio import Twilio, TwilioOptions
from reverse_etl.errors import RateLimited
from reverse_etl.limits import Rate

ROOT = Path(__file__).parents[1]
SPEC = ROOT.parent / "shared" / "specs" / "twilio" / "twilio_api_v2010.json"
OPTIONS = {"sender": NUMBER, "settle_seconds": 0.0}
ANA = "+15550000001"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        use(monkeypatch, server)
        yield server


def goal(*fields: str, key: str = "To", **changes: Any) -> Any:
    values = {"key": key, "fields": fields or ("To", "Body"), "channel": "sms", "options": OPTIONS, **changes}
    return target(Twilio, **values)


def send(rows: list[dict[str, Any]], options: dict[str, Any] | None = None, **row: Any) -> list[str | None]:
    """The error class of every row, None for those accepted."""
    changes = {"options": {**OPTIONS, **options}} if options else {}
    outcomes = answer(Twilio, goal(*rows[0], **changes), batch("To", rows, **row))
    return [outcome.error_class for outcome in outcomes]


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def test_a_message_that_waits_in_the_queue_is_found_though_it_has_no_date_yet(server: TwilioServer) -> None:
    waiting = server.add(to=ANA, body="Sale")
    (outcome,) = answer(Twilio, goal(), batch("To", [{"To": ANA, "Body": "Sale"}], unsettled_since=now()))
    assert (outcome.status, outcome.destination_id) == ("accepted", waiting.sid)
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"body": "Another text"},
        {"to": "+15550000002"},
        {"from_": "+15550007777"},
        {"direction": "inbound"},
        {"status": "canceled"},
        {"created": ago(hours=2)},
    ],
)
def test_another_message_is_not_taken_for_ours(server: TwilioServer, other: dict[str, Any]) -> None:
    server.add(**{"to": ANA, "body": "Sale", **other})
    assert send([{"To": ANA, "Body": "Sale"}], unsettled_since=now()) == [None]
    assert len(server.messages) == 2


def test_a_row_that_was_never_sent_is_not_looked_for(server: TwilioServer) -> None:
    send([{"To": ANA, "Body": "Sale"}])
    assert [request.method for request in server.requests] == ["POST"]


def test_the_search_stops_at_the_moment_of_the_call(server: TwilioServer) -> None:
    for day in range(200):
        server.add(to=ANA, body="Old", created=ago(days=200 - day))
    send([{"To": ANA, "Body": "Sale"}], unsettled_since=now())
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_a_message_on_a_later_page_is_found(server: TwilioServer) -> None:
    ours = server.add(to=ANA, body="Sale")
    for n in range(60):
        server.add(to=ANA, body=f"Reminder {n}")
    (outcome,) = answer(Twilio, goal(), batch("To", [{"To": ANA, "Body": "Sale"}], unsettled_since=now()))
    assert outcome.destination_id == ours.sid


def test_a_run_that_died_twice_does_not_send_again(server: TwilioServer, tmp_path: Path) -> None:
    """The second run, too, dies before it hears: the third one has to look back to the first."""
    house = House(tmp_path, "sync_twilio__sale", object="messages", key="To", mode="create", channel="sms",
                  options=OPTIONS)  # fmt: skip
    house.consent([("c1", "granted")], channel="sms")
    house.want([{"customer_id": "c1", "To": ANA, "Body": "Sale"}])
    patience = Patience(attempts=1, first_wait=0.001)
    with server.mute(lambda request: request.method == "POST"):
        assert run_sync(house.sync, house.settings, patience=patience).status == "incomplete"
    assert len(server.messages) == 1
    # an hour passes
    server.messages[0].created = ago(hours=1)
    with duckdb.connect(str(house.settings.ledger / "sync_twilio__sale.duckdb")) as ledger:
        ledger.execute("update claims set claimed_at = claimed_at - interval 1 hour")
    with server.mute(lambda request: request.query.get("To") == ANA):
        assert run_sync(house.sync, house.settings, patience=patience).status == "incomplete"
    result = run_sync(house.sync, house.settings, patience=patience)
    assert (result.status, result.added) == ("done", 1)
    assert len(server.messages) == 1


def test_a_new_text_or_number_sends_no_second_message(server: TwilioServer) -> None:
    sent = batch("To", [{"To": ANA, "Body": "New"}], Operation.CHANGE, destination_id="SM1", moved_from="+15550000002")
    (outcome,) = answer(Twilio, goal(), sent)
    assert outcome.status == "accepted" and server.calls == 0


def test_who_said_stop_is_refused_as_such(server: TwilioServer) -> None:
    server.stopped.add(ANA)
    assert send([{"To": ANA, "Body": "Sale"}]) == ["opted_out"]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"To": "0555 1", "Body": "Sale"}, "invalid_number"),
        ({"To": ANA, "Body": "x" * 1601}, "too_large"),
        ({"To": ANA, "Body": None}, "empty"),
    ],
)
def test_a_bad_row_says_why(server: TwilioServer, row: dict[str, Any], error: str) -> None:
    assert send([row]) == [error]


def test_an_unknown_code_keeps_its_number_and_not_its_message(server: TwilioServer) -> None:
    server.code = 63999
    assert send([{"To": ANA, "Body": "Sale"}]) == ["twilio_63999"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(21611, RateLimited), (21606, ConfigurationError), (21703, ConfigurationError), (20005, AuthenticationError)],
)
def test_what_is_not_the_rows_fault_stops_or_waits(server: TwilioServer, code: int, expected: type[Exception]) -> None:
    server.code = code
    with pytest.raises(expected) as told:
        send([{"To": ANA, "Body": "Sale"}])
    assert type(told.value) is expected and ANA not in str(told.value)


def test_the_stops_of_people_come_back(server: TwilioServer) -> None:
    def answered(number: str, word: str, minutes: int) -> None:
        moment = ago(minutes=minutes)
        server.add(to=NUMBER, from_=number, body=word, direction="inbound", status="received", created=moment,
                   sent=moment)  # fmt: skip

    answered("+15550000001", " stop. ", 30)
    answered("+15550000002", "STOP", 30)
    answered("+15550000002", "Start", 10)
    answered("+15550000003", "please stop writing", 30)
    answered("+15550000004", "REVOKE", 60 * 24 * 3)
    for n in range(5, 80):
        answered(f"+155500000{n:02}", "Thanks", 20)

    async def told(since: datetime | None, key: str = "To") -> set[str]:
        destination = Twilio(goal("To", "Body", key=key))
        try:
            found: list[OptOut] = [one async for one in destination.opt_outs(since)]
        finally:
            await destination.close()
        assert {one.channel for one in found} <= {"sms"}
        return {one.key for one in found}

    assert asyncio.run(told(None)) == {"+15550000001", "+15550000004"}
    assert asyncio.run(told(now() - timedelta(days=1))) == {"+15550000001"}
    assert asyncio.run(told(None, key="order_id")) == set()
    assert server.broken == []


def test_erasure_deletes_the_record(server: TwilioServer) -> None:
    message = server.add(to=ANA, body="Sale")

    async def erase(sid: str) -> str:
        destination = Twilio(goal())
        rows = batch("To", [{"To": ANA}], Operation.REMOVE, destination_id=sid)
        try:
            (status,) = [outcome.status async for outcome in destination.erase(rows)]
            return status
        finally:
            await destination.close()

    assert asyncio.run(erase(message.sid)) == "accepted" and server.messages == []
    assert asyncio.run(erase(message.sid)) == "accepted"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"channel": None}, "channel 'sms'"),
        ({"options": {}}, "`sender` is missing"),
        ({"fields": ("To", "Body", "StatusCallback")}, "no parameter 'StatusCallback'"),
        ({"fields": ("To",)}, "needs `To`"),
    ],
)
def test_a_sync_that_cannot_work_says_why(server: TwilioServer, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Twilio(goal(**changes))


def test_a_key_of_our_own_is_not_sent(server: TwilioServer) -> None:
    answer(Twilio, goal("order_id", "To", "Body", key="order_id"),
           batch("order_id", [{"order_id": "o-1", "To": ANA, "Body": "On its way"}]))  # fmt: skip
    assert server.requests[-1].form() == {"From": NUMBER, "To": ANA, "Body": "On its way"}


def test_the_sender_sets_the_pace(server: TwilioServer, tmp_path: Path) -> None:
    for sender_type, per_second in (("long_code", 1), ("toll_free", 3), ("short_code", 100)):
        limits = Twilio.limits("messages", TwilioOptions(sender_type=sender_type))
        assert (limits.rows, limits.rates) == (1, (Rate(per_second, 1.0),))
    house = House(tmp_path, "sync_twilio__sale", object="messages", key="To", mode="create", channel="sms",
                  options=OPTIONS)  # fmt: skip
    house.consent([("c1", "granted"), ("c2", "granted")], channel="sms")
    house.want([{"customer_id": f"c{n}", "To": f"+1555000000{n}", "Body": "Sale"} for n in (1, 2)])
    started = time.monotonic()
    assert run_sync(house.sync, house.settings).added == 2
    assert time.monotonic() - started >= 1


def schema(node: Any, components: dict[str, Any]) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema: references resolved, `nullable` and dates of its own kind spelled out."""
    if isinstance(node, list):
        return [schema(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return schema(components[node["$ref"].rpartition("/")[2]], components)
    found = {name: schema(value, components) for name, value in node.items() if name not in ("format", "nullable")}
    if node.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if node.get("nullable") and "enum" in found:
        found["enum"] = [*found["enum"], None]
    return found


@pytest.mark.skipif(not SPEC.exists(), reason="Twilio's OpenAPI document is not beside the project")
def test_bodies_and_answers_are_those_of_the_specification(server: TwilioServer) -> None:
    document = json.loads(SPEC.read_text())
    components = document["components"]["schemas"]
    path = document["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]
    allowed = {one["name"] for one in path["get"]["parameters"] if one["in"] == "query"}
    body = schema(path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"], components)
    body["additionalProperties"] = False
    resource = schema(components["api.v2010.account.message"], components)

    send([{"To": ANA, "Body": "Sale", "MediaUrl": ["https://example.com/a.png", "https://example.com/b.png"]}])
    send([{"To": ANA, "ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1": "Ana"}', "ValidityPeriod": "600"}])
    send([{"To": ANA, "Body": "Sale"}], {"sender": SERVICE}, unsettled_since=now())
    posts = [request for request in server.requests if request.method == "POST"]
    assert len(posts) == 3 and b"MediaUrl=https%3A%2F%2Fexample.com%2Fb.png" in posts[0].body
    for request in posts:
        form: dict[str, Any] = request.form()
        if "MediaUrl" in form:
            form["MediaUrl"] = [form["MediaUrl"]]
        if "ValidityPeriod" in form:
            form["ValidityPeriod"] = int(form["ValidityPeriod"])
        jsonschema.validate(form, body)
    for request in server.requests:
        assert set(request.query) <= allowed
    for message in server.messages:
        jsonschema.validate(message.resource(), resource)
