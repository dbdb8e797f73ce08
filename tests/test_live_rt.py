"""A real Request Tracker as a live source: what stands in its database is what the raw tables tell."""

import json
import os
import quopri
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from extract_house import query, raw
from live_house import latest
from servers.base import Answer, Faults, Request
from servers.rt import Desk
from switched_on import listed

from orchestration.extract import extract, sources
from orchestration.extract.check import check_source
from orchestration.extract.live import Patience, Span, rt

TYPES = ("Create", "Correspond", "Comment", "Status")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk in New York whose superuser, by whose token we read, sits in Tokyo."""
    with Desk(tmp_path_factory.mktemp("desk"), "America/New_York") as running:
        running.call("PUT", "user/root", {"Timezone": "Asia/Tokyo"})
        yield running


@pytest.fixture(autouse=True)
def house(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warehouse of its own for each test, and small pages."""
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    listed(monkeypatch, "rt")
    desk.proxy.faults = Faults()
    monkeypatch.setattr(rt, "SIZE", 4)


def moment(text: str) -> str:
    return text.replace(" ", "T") + "Z"


def held(desk: Desk) -> dict[str, dict[str, Any]]:
    """What stands in the desk's database, by table and id."""
    requestors: dict[int, list[int]] = {}
    for ticket, user in desk.rows(
        "select Groups.Instance, GroupMembers.MemberId from Groups "
        "inner join GroupMembers on GroupMembers.GroupId = Groups.id "
        "where Groups.Domain = 'RT::Ticket-Role' and Groups.Name = 'Requestor' order by 1, 2"
    ):
        requestors.setdefault(ticket, []).append(user)
    tickets = {
        str(id): (subject, status, str(effective), requestors.get(id, []), moment(changed))
        for id, subject, status, effective, changed in desk.rows(
            "select id, Subject, Status, EffectiveId, LastUpdated from Tickets where Status <> 'deleted' "
            "and Type = 'ticket'"
        )
    }
    users = {
        str(id): (name, email or None, str(privileged), str(disabled), moment(changed))
        for id, name, email, privileged, disabled, changed in desk.rows(
            "select Users.id, Users.Name, EmailAddress, exists (select 1 from GroupMembers "
            "inner join Groups on Groups.id = GroupMembers.GroupId where Groups.Domain = 'SystemInternal' "
            "and Groups.Name = 'Privileged' and MemberId = Users.id), Principals.Disabled, LastUpdated "
            "from Users inner join Principals on Principals.id = Users.id"
        )
    }
    transactions = {
        str(id): (
            type,
            str(ticket),
            str(author),
            new or "",
            moment(created),
            text and quopri.decodestring(text).decode(),
        )
        for id, type, ticket, author, new, created, text in desk.rows(
            "select id, Type, ObjectId, Creator, NewValue, Created, (select Content from Attachments "
            "where TransactionId = Transactions.id and ContentType = 'text/plain' and Filename is null order by id "
            "limit 1) from Transactions where ObjectType = 'RT::Ticket' and Type in (?, ?, ?, ?)",
            *TYPES,
        )
    }
    return {"tickets": tickets, "users": users, "transactions": transactions}


def told() -> dict[str, dict[str, Any]]:
    """The same of what the raw tables tell."""
    return {
        "tickets": {
            id: (
                row["subject"],
                row["status"],
                row["effective_id"],
                [one["id"] for one in json.loads(row["requestor"])],
                row["last_updated"],
            )
            for id, row in latest("rt", "tickets", "last_updated").items()
        },
        "users": {
            id: (row["name"], row["email_address"], row["privileged"], row["disabled"], row["last_updated"])
            for id, row in latest("rt", "users", "last_updated").items()
        },
        "transactions": {
            id: (
                row["type"],
                row["object_id"],
                str(json.loads(row["creator"])["id"]),
                row["new_value"],
                row["created"],
                row["content"],
            )
            for id, row in latest("rt", "transactions", "created").items()
        },
    }


def appearances() -> int:
    return sum(
        int(query(f"select count(*) from {raw('rt', table)} as records")[0][0])
        for table in ("tickets", "users", "transactions")
    )


def turned(desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, work: Any) -> None:
    """Do something at the desk each time that a page of `path` has been handed over."""
    handle = desk.proxy.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.path.endswith(path):
            work()
        return answer

    monkeypatch.setattr(desk.proxy, "handle", handled)


def test_what_the_desk_holds_and_what_becomes_of_it(desk: Desk) -> None:
    ann = desk.user("ann", EmailAddress="ann@example.com", RealName="Ана Lee", Lang="de", MobilePhone="+31 6 1234")
    agent = desk.user("agent", EmailAddress="agent@desk.example", Privileged=1)
    lamp = desk.ticket("Lamp", "ann@example.com", "zoe@example.com", text="It is broken — zoë\nquite")
    again = desk.ticket("Lamp again", "ann@example.com", text="Still")
    spam = desk.ticket("Spam", "spam@example.com", text="Buy")
    others = [desk.ticket(f"Chair {number}", "bob@example.com") for number in range(5)]
    desk.write(lamp, "We send one")
    desk.write(lamp, "He is cross", "comment")
    desk.change(others[0], Status="rejected")

    first = extract("rt")
    assert (first.notes, first.quarantined) == ([], {})
    assert told() == held(desk)

    # a merge leaves the time of the merged ticket alone, a deleted ticket is told by no search
    desk.change(again, MergeInto=lamp)
    desk.change(spam, Status="deleted")
    desk.change(others[1], Status="resolved")
    desk.call("PUT", f"user/{ann}", {"EmailAddress": "ann@new.example"})
    desk.call("PUT", f"user/{agent}", {"Privileged": 0})
    desk.call("PUT", "user/bob@example.com", {"Disabled": 1})
    second = extract("rt")
    assert told() == held(desk)
    assert str(spam) not in told()["tickets"] and told()["tickets"][str(again)][2] == str(lamp)
    assert second.rows == {"users": 3, "tickets": 4, "transactions": 2}

    desk.change(spam, Status="open")
    extract("rt")
    assert told() == held(desk)
    assert str(spam) in told()["tickets"]


def test_a_run_with_nothing_new_makes_a_call_a_table_and_one_for_what_lies_in_the_overlap(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rt, "SIZE", 100)
    for table, column in (("Tickets", "LastUpdated"), ("Users", "LastUpdated"), ("Transactions", "Created")):
        desk.rows(f"update {table} set {column} = datetime({column}, '-1 hour')")
    desk.ticket("Last", "last@example.com", text="The last one")
    extract("rt")
    before, rows = desk.proxy.calls, appearances()
    again = extract("rt")
    assert sum(again.rows.values()) == 0 and again.load_ids == [] and appearances() == rows
    # the log and the last one, of tickets and of users; the last message and its text
    assert desk.proxy.calls == before + 2 + 2 + 2


def test_changes_while_pages_are_turned_and_ties_at_their_borders(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [desk.ticket(f"Tie {number}", f"tie{number}@example.com", text="Tied") for number in range(9)]
    desk.rows("update Tickets set LastUpdated = (select max(LastUpdated) from Tickets)")
    changes = iter(range(1000))

    def change() -> None:
        number = next(changes)
        if number < 6:
            desk.change(numbers[0], Subject=f"early {number}")
            desk.change(numbers[-1], Subject=f"late {number}")
            desk.ticket(f"New {number}", f"new{number}@example.com", text="New")

    turned(desk, monkeypatch, "/tickets", change)
    extract("rt")
    extract("rt")
    assert next(changes) > 6
    assert told() == held(desk)


@pytest.mark.slow
def test_a_token_whose_user_may_not_see_all_reads_all_that_they_may(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments are hidden from them: pages are short, or empty, and no total says whether more will come."""
    if not desk.rows("select 1 from Users where Name = 'reader'"):
        reader = desk.user("reader", EmailAddress="reader@desk.example", Privileged=1, Timezone="Asia/Tokyo")
        for right in ("ShowTicket", "SeeQueue", "AdminUsers"):
            desk.grant(reader, right)
    monkeypatch.setenv("RT_TOKEN", desk.token_of("reader"))
    ticket = desk.ticket("Quiet", "quiet@example.com", text="Quiet")
    for number in range(9):
        desk.write(ticket, f"Note {number}", "comment")
    desk.write(ticket, "Answer")
    extract("rt")
    there = held(desk)
    there["transactions"] = {id: one for id, one in there["transactions"].items() if one[0] != "Comment"}
    assert told() == there

    # what they see of the logs
    desk.change(ticket, Status="stalled")
    desk.call("PUT", "user/quiet@example.com", {"City": "Ghent", "Disabled": 1})
    desk.user("late", EmailAddress="late@example.com", Privileged=1)
    extract("rt")
    there = held(desk)
    there["transactions"] = {id: one for id, one in there["transactions"].items() if one[0] != "Comment"}
    assert told() == there


@pytest.mark.slow
def test_what_no_transaction_tells_comes_to_light_within_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = desk.ticket("Gone", "gone@example.com", text="Forget me")
    extract("rt")
    desk.shred(f"Ticket-{ticket}")
    quiet = desk.user("quiet", EmailAddress="by@hand.example")
    desk.rows("delete from Transactions where ObjectType = 'RT::User' and ObjectId = ?", quiet)
    extract("rt")
    assert str(ticket) in told()["tickets"] and str(quiet) not in told()["users"]
    handle = desk.proxy.handle

    def tomorrow(request: Request) -> Answer:
        answer = handle(request)
        at = datetime.now(UTC) + timedelta(days=8)
        answer.headers["Date"] = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return answer

    monkeypatch.setattr(desk.proxy, "handle", tomorrow)
    extract("rt")
    assert told() == held(desk)


def test_bad_weather(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        desk.ticket(f"Storm {number}", f"storm{number}@example.com", text="Wet")
    api = sources()["rt"].api
    assert api
    quick = Patience(tries=12, first=0.001, longest=0.01, throttled=5.0)
    monkeypatch.setattr(sources()["rt"], "api", replace(api, patience=quick))
    desk.proxy.faults = Faults(seed=5, drop_before=0.1, drop_after=0.1, unavailable=0.1, too_many=0.2, not_json=0.1)
    result = extract("rt")
    assert result.fetched and result.fetched.failures == {} and result.fetched.throttled > 0
    assert told() == held(desk)


@pytest.mark.slow
def test_a_range_again(desk: Desk) -> None:
    desk.ticket("Range", "range@example.com", text="Again")
    extract("rt")
    rows = appearances()
    span = Span.of(datetime.now(UTC) - timedelta(minutes=50), datetime.now(UTC) + timedelta(minutes=1))
    assert sum(extract("rt", span).rows.values()) == 0
    assert appearances() == rows and told() == held(desk)


def test_check_says_what_is_wrong(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_source("rt").status == "ok"
    monkeypatch.setenv("RT_TOKEN", "1-14-00000000000000000000000000000000")
    wrong = check_source("rt")
    assert wrong.status == "failed" and "refuses the credentials (HTTP 401)" in wrong.message
    assert "0000" not in wrong.message
    monkeypatch.delenv("RT_TOKEN")
    assert "RT_TOKEN is not set" in check_source("rt").message


@pytest.mark.slow
def test_killed_at_twelve_moments(desk: Desk, tmp_path: Path) -> None:
    """Each appearance once of tickets that fill pages, of which some changed since the first run."""
    base = tmp_path / "base"
    tickets = [desk.ticket(f"Kill {number}", "kill@example.com", text="Words") for number in range(12)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", str(base))
        extract("rt")
    query = "select id, LastUpdated, Subject from Tickets where Status <> 'deleted' and Type = 'ticket'"
    before = desk.rows(query)
    for ticket in tickets[::2]:
        desk.change(ticket, Subject=f"killed {ticket}")
    for number in range(12):
        desk.ticket(f"Mort {number}", "mort@example.com", text="Words")
    rows = {(str(id), moment(changed), subject) for id, changed, subject in (*before, *desk.rows(query))}
    expected = sorted([*row, 1] for row in rows)

    (counted, whole) = killed(base, [0])
    assert sorted(whole["rows"]) == expected
    chance = random.Random(os.environ.get("KINSHIP_TEST_SEED", "1"))
    at_operations = chance.sample(range(1, counted["operations"]), 8)
    reports = killed(base, [*at_operations, *(0.001 + chance.random() * counted["seconds"] for _ in range(4))])
    for report, after in zip(reports[::2], reports[1::2], strict=True):
        assert sorted(after["rows"]) == expected, report
        assert after["left"] == [], report
    assert sum(report["killed"] for report in reports[::2]) >= 8


def killed(base: Path, moments: list[float]) -> list[dict[str, Any]]:
    """Extract from a copy of the data folder, kill -9, extract again: what the raw table holds, for each moment."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("live_killed.py")), *map(str, moments)],
        env={**os.environ, "KILL_BASE": str(base), "KILL_SOURCE": "rt", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
