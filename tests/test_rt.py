"""Request Tracker from its line in the list of sources to the customers' tables, with a real one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import DBT, KINSHIP, call, environment
from servers.rt import Desk
from switched_on import switched_on

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The project with the source switched on, and the environment of a user whose desk has been extracted."""
    folder = tmp_path_factory.mktemp("rt")
    with Desk(folder / "desk", "America/New_York") as desk:
        ann = desk.user(
            "ann", EmailAddress="Ann@example.com", RealName="Ann Lee", MobilePhone="+31 6 12345678", Lang="de"
        )
        agent = desk.user("agent", EmailAddress="agent@desk.example", Privileged=1)
        desk.user("nameless")
        for user in (agent, ann):
            desk.grant(user, "ReplyToTicket")
        lamp = desk.ticket("Lamp", "ann@example.com", "zoe@example.com", text="It is broken")
        again = desk.ticket("Lamp again", "zoe@example.com", text="Still broken")
        spam = desk.ticket("Spam", "spam@example.com", text="Buy")
        rejected = desk.ticket("Chair", "nameless", text="A chair")
        desk.ticket("Toner is empty", "agent@desk.example", text="We need some")
        for name in ("agent", "ann"):
            desk.write(lamp, "Words", token=desk.token_of(name))
        desk.change(again, MergeInto=lamp)
        desk.change(spam, Status="deleted")
        desk.change(rejected, Status="rejected")
        desk.change(lamp, Status="resolved")
        copy = switched_on(folder / "project", "rt")
        settings = environment(folder / "data", PYTHONPATH=str(copy), **desk.environment)
        checked = call(KINSHIP, "check", "rt", env=settings, cwd=copy)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        done = call(KINSHIP, "extract", "rt", env=settings, cwd=copy)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        yield copy, settings


def asked(settings: dict[str, str]) -> Query:
    def query(text: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(Path(settings["KINSHIP_DATA"]) / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(text).fetchall()

    return query


def test_staging(house: tuple[Path, dict[str, str]]) -> None:
    copy, settings = house
    chosen = ("path:models/staging/rt", "countries", "identity_policy", "--indirect-selection", "cautious")
    built = call(DBT, "build", "--select", *chosen, env=settings, cwd=copy)
    assert built.returncode == 0, built.stdout[-4000:]
    assert "WARN" not in built.stdout.replace("WARN=0", "")
    query = asked(settings)
    assert query(
        "select subject, record_id is null, description, status, comment_count, first_replied_at is null, "
        "solved_at is null from staging.stg_rt__tickets order by ticket_id"
    ) == [
        ("Lamp", False, "It is broken", "solved", 4, False, False),
        ("Chair", False, "A chair", "closed", 1, True, False),
        ("Toner is empty", True, "We need some", "new", 1, True, True),
    ]
    assert query("select email, is_end_user from staging.stg_rt__users where full_name = 'Ann Lee'") == [
        ("Ann@example.com", True)
    ]
    assert query("select identifier_type, count(*) from staging.stg_rt__identifiers group by all order by all") == [
        ("email", 3),  # Ann, Zoe, and whoever wrote the spam
        ("phone", 1),
        ("rt_user_id", 4),
    ]
    assert query("select event_type, count(*) from staging.stg_rt__events group by all order by all") == [
        ("ticket_commented", 1),
        ("ticket_opened", 2),
    ]
    assert query("select table_name, record_class, records from staging.stg_rt__accounting order by all") == [
        ("tickets", "earlier_appearance", 0),
        ("tickets", "merged", 1),
        ("tickets", "staged", 3),
        ("transactions", "earlier_appearance", 0),
        ("transactions", "staged", 6),
        ("transactions", "status_change", 3),
        ("transactions", "without_a_ticket", 2),
        ("users", "earlier_appearance", 0),
        ("users", "staged", 8),
    ]


@pytest.mark.slow
def test_a_ticket_stands_with_its_person(house: tuple[Path, dict[str, str]]) -> None:
    copy, settings = house
    done = call(KINSHIP, "run", env=settings, cwd=copy, timeout=1500)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    query = asked(settings)
    assert query(
        "select tickets.ticket_id, customers.full_name, customers.email, tickets.status "
        "from customers.customer_tickets as tickets left join customers.customers using (customer_id) "
        "where tickets.subject = 'Lamp'"
    ) == [("rt:1", "Ann Lee", "Ann@example.com", "solved")]
    accounted = "select count(*) from reporting.rpt_source_accounting where source = 'rt'"
    assert query(f"{accounted} and record_class = 'staged'") == [(3,)]
    assert query(f"{accounted} and record_class = 'not_accounted_for'") == [(0,)]
