"""kill -9 at every moment of a run to Twilio, Slack and Google: everybody gets one message, nobody two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_house import House, use
from servers.google import GoogleServer, Members
from servers.slack import SlackServer
from servers.twilio import Messages, TwilioServer
from test_reverse_etl_kill import drive, keep

from reverse_etl import run_sync

PEOPLE = 4


def kill(
    folder: Path, house: House, server: Any, store: str, rows: list[dict[str, Any]], who: Callable[[], list[Any]]
) -> int:
    """Kill a run at each of its moments; how many were hit.

    `store` names what the server has to forget, `who` tells who got something.
    """
    house.keep()
    house.consent([(f"c{n}", "granted") for n in range(PEOPLE)], channel=house.block.get("channel") or "email")
    house.want(rows[:1])
    run_sync(house.sync, house.settings)
    house.want(rows)
    keep(house)
    begun = getattr(server, store).copy()
    killed = 0

    def reset() -> None:
        setattr(server, store, begun.copy())

    def check(told: dict[str, Any]) -> None:
        nonlocal killed
        killed += told["killed"]
        reached = who()
        assert len(reached) == len(set(reached)) == PEOPLE, told

    operations = drive(folder, [0], reset, check)
    drive(folder, [float(moment) for moment in range(1, operations + 1)], reset, check)
    return killed


def start(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, server)


def twilio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with TwilioServer() as server:
        start(server, monkeypatch)
        options = {**Messages.sync["options"], "settle_seconds": 0.05, "sender_type": "toll_free"}
        house = House(folder, "sync_twilio__sale", **{**Messages.sync, "mode": "create", "options": options})
        rows = [{"customer_id": f"c{n}", "To": Messages().key(n), "Body": f"Hello {n}"} for n in range(PEOPLE)]
        killed = kill(folder, house, server, "messages", rows, lambda: [message.to for message in server.messages])
        assert server.broken == []
        return killed


def slack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with SlackServer() as server:
        start(server, monkeypatch)
        house = House(folder, "sync_slack__alerts", object="C0123456789", key="id", mode="create",
                      options={"requests_per_second": 10_000, "settle_seconds": 0.05})  # fmt: skip
        rows = [{"customer_id": f"c{n}", "id": f"a{n}", "text": f"Hello {n}"} for n in range(PEOPLE)]
        return kill(folder, house, server, "messages", rows, lambda: server.texts)


def google(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with GoogleServer() as server:
        start(server, monkeypatch)
        house = House(folder, "sync_google__vips", **{**Members.sync, "mode": "mirror", "max_change_share": 1})
        rows = [{"customer_id": f"c{n}", "email_address": f"p{n}@example.com"} for n in range(PEOPLE)]
        return kill(folder, house, server, "members", rows, lambda: list(server.members))


@pytest.mark.slow
@pytest.mark.parametrize("tool", [twilio, slack, google])
def test_killed_at_every_moment(tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tool(tmp_path, monkeypatch) >= 10
