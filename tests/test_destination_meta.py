"""Meta custom audiences: the traps of the tool that the conformance suite does not know."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.direct import answer, batch, target
from servers.meta import AUDIENCE, MetaServer

from reverse_etl import AuthenticationError, ConfigurationError, check_destination, run_sync
from reverse_etl.destination import Operation
from reverse_etl.destinations.meta import Meta
from reverse_etl.errors import RateLimited, Rejected, Retryable


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetaServer]:
    with MetaServer() as server:
        use(monkeypatch, server)
        yield server


def goal(*fields: str, **changes: Any) -> Any:
    return target(Meta, object=AUDIENCE, key=fields[0], fields=fields, **changes)


def send(rows: list[dict[str, Any]], operation: Operation = Operation.ADD) -> dict[str, str | None]:
    """The error class of every row, None for those accepted."""
    outcomes = answer(Meta, goal(*rows[0]), batch(next(iter(rows[0])), rows, operation))
    return {outcome.key: outcome.error_class for outcome in outcomes}


def test_the_few_invalid_entries_of_a_batch_are_found_and_the_others_are_in(server: MetaServer) -> None:
    rows = [{"EMAIL": f"p{n}@example.com", "MADID": "broken" if n in (3, 700) else ""} for n in range(1000)]
    outcomes = send(rows)
    assert {key for key, error in outcomes.items() if error} == {"p3@example.com", "p700@example.com"}
    assert len(outcomes) == 1000 and len(server.members) == 998
    # two paths down a tree of ten levels, two calls a level
    assert len(server.requests) <= 41


def test_a_batch_of_invalid_entries_is_not_halved(server: MetaServer) -> None:
    outcomes = send([{"EMAIL": f"p{n}@example.com", "MADID": "broken"} for n in range(64)])
    assert set(outcomes.values()) == {"invalid_entry"} and server.calls == 1


def test_an_entry_that_was_not_received_is_not_accepted(server: MetaServer) -> None:
    server.deaf = 1
    with pytest.raises(Retryable, match="fewer entries"):
        send([{"EMAIL": f"p{n}@example.com"} for n in range(3)])


def test_rows_are_sent_with_the_key_first_and_nothing_for_what_is_missing(server: MetaServer) -> None:
    send([{"EMAIL": "A@example.com ", "FN": None, "GEN": "unknown", "COUNTRY": "DE", "EXTERN_ID": "C-1"}])
    payload = server.requests[-1].json()["payload"]
    assert payload["schema"] == ["EMAIL", "FN", "GEN", "COUNTRY", "EXTERN_ID"]
    assert payload["data"] == [[sha256("a@example.com"), "", "", sha256("de"), "C-1"]]


def test_one_session_per_call(server: MetaServer) -> None:
    send([{"EMAIL": "a@example.com"}])
    send([{"EMAIL": "b@example.com"}])
    first, second = (request.json()["session"] for request in server.requests)
    assert first["session_id"] != second["session_id"]
    assert (first["batch_seq"], first["last_batch_flag"], first["estimated_num_total"]) == (1, True, 1)


@pytest.mark.parametrize(("key", "value"), [("EMAIL", "no address"), ("PHONE", "ext. 5")])
def test_a_key_that_cannot_be_hashed_is_refused_and_never_taken_back(server: MetaServer, key: str, value: str) -> None:
    assert send([{key: value}]) == {value: f"invalid_{key.lower()}"}
    assert send([{key: value}], Operation.REMOVE) == {value: None}
    assert server.calls == 0


def test_the_key_alone_takes_a_person_back(server: MetaServer) -> None:
    send([{"PHONE": "+49 170 1234567", "EMAIL": "a@example.com"}])
    assert send([{"PHONE": "+49 170 1234567"}], Operation.REMOVE) == {"+49 170 1234567": None}
    removal = server.requests[-1]
    assert (removal.method, removal.json()["payload"]["schema"]) == ("DELETE", ["PHONE"])
    assert server.members == []


@pytest.mark.parametrize("code", [4, 17, 341, 613, 80003])
@pytest.mark.parametrize("status", [400, 403])
def test_throttling_is_an_error_code(server: MetaServer, status: int, code: int) -> None:
    usage = {"42": [{"type": "custom_audience", "call_count": 100, "estimated_time_to_regain_access": 3}]}
    server.error = (status, {"code": code}, {"X-Business-Use-Case-Usage": json.dumps(usage)})
    with pytest.raises(RateLimited) as limited:
        send([{"EMAIL": "a@example.com"}])
    assert limited.value.retry_after == 180


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"code": 190, "error_subcode": 463}, AuthenticationError),
        (403, {"code": 200}, AuthenticationError),
        (400, {"code": 100, "error_subcode": 1713230}, ConfigurationError),
        (400, {"code": 100, "error_subcode": 33}, ConfigurationError),
        (400, {"code": 2, "is_transient": True}, Retryable),
        (400, {"code": 2650}, Retryable),
        (500, {"code": 1}, Retryable),
        (400, {"code": 100}, Rejected),
    ],
)
def test_errors_say_what_to_do_next(
    server: MetaServer, status: int, error: dict[str, Any], expected: type[Exception]
) -> None:
    server.error = (status, {**error, "message": "quotes somebody@example.com"}, {})
    with pytest.raises(expected) as told:
        send([{"EMAIL": "a@example.com"}])
    assert type(told.value) is expected and "somebody" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"object": "my audience"}, "in digits"),
        ({"key": "FN", "fields": ("FN",)}, "one of EMAIL"),
        ({"key": "EMAIL", "fields": ("EMAIL", "email_sha256")}, "no column"),
    ],
)
def test_a_sync_that_cannot_work_says_why(server: MetaServer, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Meta(target(Meta, **{"object": AUDIENCE, "key": "EMAIL", "fields": ("EMAIL",), **changes}))


def test_a_flagged_audience_is_told_before_the_first_row(server: MetaServer, tmp_path: Path) -> None:
    house = House(tmp_path, "sync_meta__test", object=AUDIENCE, key="EMAIL", mode="mirror")
    house.consent([("c1", "granted")])
    house.want([{"customer_id": "c1", "EMAIL": "a@example.com"}])
    server.status = 471
    assert "flagged" in check_destination("meta", house.sync).message
    with pytest.raises(ConfigurationError, match="Audience Manager"):
        run_sync(house.sync, house.settings)
    assert [request.method for request in server.requests] == ["GET", "GET"]
    server.status, server.subtype = 200, "LOOKALIKE"
    assert "LOOKALIKE" in check_destination("meta", house.sync).message


def test_the_app_secret_proves_the_token_and_stays_here(server: MetaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_META_APP_SECRET", "shh")
    send([{"EMAIL": "a@example.com"}])
    (request,) = server.requests
    assert len(request.query["appsecret_proof"]) == 64 and "access_token" not in request.query
    assert b"shh" not in request.body and "shh" not in str(request.headers)
