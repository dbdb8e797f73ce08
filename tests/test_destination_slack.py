"""Slack: errors inside HTTP 200, nobody is woken by a customer's name, nothing is posted twice."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.direct import answer, batch, target
from servers.slack import CHANNEL, SlackServer

from reverse_etl import AuthenticationError, ConfigurationError, check_destination, run_sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Operation
from reverse_etl.destinations.slack import Slack
from reverse_etl.errors import RateLimited, Retryable
from reverse_etl.limits import Rate

OPTIONS = {"requests_per_second": 10_000, "settle_seconds": 0.0}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    with SlackServer() as server:
        use(monkeypatch, server)
        yield server


def goal(**changes: Any) -> Any:
    values = {"object": CHANNEL, "key": "id", "fields": ("id", "text"), "options": OPTIONS, "mode": "upsert", **changes}
    return target(Slack, **values)


def send(rows: list[dict[str, Any]], **row: Any) -> list[tuple[str, str | None]]:
    outcomes = answer(Slack, goal(fields=tuple(rows[0])), batch("id", rows, **row))
    return [(outcome.status, outcome.error_class) for outcome in outcomes]


def sale(mode: str, folder: Path, text: str = "Sale", **options: Any) -> House:
    folder.mkdir(exist_ok=True)
    house = House(folder, "sync_slack__alerts", object=CHANNEL, key="id", mode=mode, max_change_share=1,
                  options={**OPTIONS, **options})  # fmt: skip
    house.consent([("c1", "granted"), ("c2", "granted")])
    house.want([{"customer_id": "c1", "id": "a1", "text": text}])
    return house


@pytest.mark.parametrize(
    "text",
    ["<!channel> hello", "<!here>", "<@U024BE7LH>", "<#C024BE7LR>", "@channel", "&lt;!channel&gt; & <b>", "a > b"],
)
def test_no_text_wakes_anybody(server: SlackServer, text: str) -> None:
    assert send([{"id": "a1", "text": text}]) == [("accepted", None)]
    assert (server.woken, server.texts) == ([], [text])


def test_marks_and_links_stay_what_they_are(server: SlackServer) -> None:
    send([{"id": "a1", "text": "*Ana* https://example.com"}])
    asked = server.requests[-1].json()
    assert (asked["mrkdwn"], asked["unfurl_links"], asked["unfurl_media"]) == (False, False, False)
    answer(Slack, goal(options={**OPTIONS, "formatting": True}), batch("id", [{"id": "a2", "text": "*New*"}]))
    assert server.requests[-1].json()["mrkdwn"] is True


def test_the_key_is_not_posted(server: SlackServer) -> None:
    send([{"id": "ana@example.com", "text": "Sale"}])
    assert b"ana@example.com" not in server.requests[-1].body


@pytest.mark.parametrize("mode", ["create", "upsert"])
def test_a_message_whose_answer_was_lost_is_found(server: SlackServer, tmp_path: Path, mode: str) -> None:
    house = sale(mode, tmp_path)
    patience = Patience(attempts=1, first_wait=0.001)
    with server.mute(lambda request: request.path.endswith("postMessage")):
        assert run_sync(house.sync, house.settings, patience=patience).status == "incomplete"
    for n in range(120):
        send([{"id": f"other-{n}", "text": "Others talk"}])
    assert run_sync(house.sync, house.settings, patience=patience).added == 1
    assert server.texts.count("Sale") == 1


def test_a_new_text_edits_the_message_or_leaves_it(server: SlackServer, tmp_path: Path) -> None:
    for mode, expected in (("upsert", "New"), ("create", "Sale")):
        house = sale(mode, tmp_path / mode)
        server.messages.clear()
        run_sync(house.sync, house.settings)
        house.want([{"customer_id": "c1", "id": "a1", "text": "New"}])
        run_sync(house.sync, house.settings)
        assert server.texts == [expected]
        house.consent([("c1", "withdrawn")])
        run_sync(house.sync, house.settings)
        assert server.texts == []


def test_a_message_that_somebody_deleted_is_no_trouble(server: SlackServer, tmp_path: Path) -> None:
    house = sale("mirror", tmp_path)
    run_sync(house.sync, house.settings)
    server.messages.clear()
    house.want([], {"customer_id": "text", "id": "text", "text": "text"})
    result = run_sync(house.sync, house.settings)
    assert (result.removed, result.refused) == (1, {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("token_revoked", AuthenticationError),
        ("missing_scope", AuthenticationError),
        ("not_in_channel", ConfigurationError),
        ("ratelimited", RateLimited),
        ("internal_error", Retryable),
    ],
)
def test_an_error_inside_200_is_one(server: SlackServer, error: str, expected: type[Exception]) -> None:
    server.error = error
    with pytest.raises(expected) as told:
        send([{"id": "a1", "text": "Sale"}])
    assert type(told.value) is expected


def test_a_row_is_refused_by_its_own_fault(server: SlackServer) -> None:
    assert send([{"id": "a1", "text": "x" * 40_001}]) == [("rejected", "too_large")]
    assert send([{"id": "a1", "text": None}]) == [("rejected", "no_text")]
    assert send([{"id": "a1", "text": "Sale", "channel": "C0MISSING"}]) == [("rejected", "channel_not_found")]
    assert server.broken == []


def test_removal_of_what_was_never_posted_makes_no_call(server: SlackServer) -> None:
    assert send([{"id": "a1", "text": ""}], operation=Operation.REMOVE) == [("accepted", None)]
    assert server.calls == 0


def test_scopes_are_asked_for_before_the_first_message(server: SlackServer, tmp_path: Path) -> None:
    house = sale("upsert", tmp_path)
    server.scopes = "chat:write"
    assert "channels:history" in check_destination("slack", house.sync).message
    with pytest.raises(ConfigurationError, match="groups:history"):
        run_sync(house.sync, house.settings)
    assert server.messages == {}


@pytest.mark.parametrize(
    ("fields", "word"), [(("id",), "needs the column `text`"), (("id", "text", "blocks"), "has no 'blocks'")]
)
def test_a_sync_that_cannot_work_says_why(server: SlackServer, fields: tuple[str, ...], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Slack(goal(fields=fields))


def test_one_message_a_second(server: SlackServer, tmp_path: Path) -> None:
    assert Slack.limits(CHANNEL, Slack.options_model()).rates == (Rate(1, 1.0),)
    house = sale("create", tmp_path)
    house.reload(options={"settle_seconds": 0.0})
    started = time.monotonic()
    # logging in, and the message
    assert run_sync(house.sync, house.settings).added == 1
    assert time.monotonic() - started >= 1


def test_a_digest_is_about_nobody(server: SlackServer, tmp_path: Path) -> None:
    house = sale("upsert", tmp_path)
    rows = [{"customer_id": None, "id": "monday", "text": "9 sales"}, {"customer_id": "c1", "id": "a1", "text": "Ana"}]
    house.want(rows)
    result = run_sync(house.sync, house.settings)
    assert (server.texts, result.withheld) == (["Ana"], {"no_consent": 1})
    house.reload(purpose="none")
    # the other way round: a row that is about somebody is denied, whatever the person consented to
    result = run_sync(house.sync, house.settings)
    assert (result.added, result.removed, result.withheld) == (1, 1, {"no_consent": 1})
    assert run_sync(house.sync, house.settings).calls == 0
    house.want([{**rows[0], "text": "10 sales"}])
    assert run_sync(house.sync, house.settings).changed == 1 and server.texts == ["10 sales"]


@pytest.mark.parametrize("block", [{"name": "sync_file__people"}, {"name": "sync_slack__alerts", "channel": "email"}])
def test_nobody_is_for_where_colleagues_read(tmp_path: Path, block: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="rows about nobody, without a channel, in slack"):
        House(tmp_path, purpose="none", **block)
