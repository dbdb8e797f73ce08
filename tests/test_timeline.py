"""The timeline after any history of loads, late events, corrections, withdrawals, merges and splits is the one that is
built from nothing, and the one that an independent reading of the rules gives."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from timeline_house import House

START = datetime(2026, 3, 1, 22)
RULES = [
    {"position": 1, "utm_medium": "cpc", "site_kind": "search", "channel": "paid_search"},
    {"position": 2, "utm_medium": "email", "channel": "email"},
    {"position": 3, "site_kind": "search", "channel": "organic_search"},
]
SITES = [{"site": "google%", "site_kind": "search"}, {"site": "mail.google.%", "site_kind": "email"}]
EVENT_OF_ALL = (
    "event_id, customer_id, session_id, event_type, utm_source, campaign, amount, occurred_at, is_shared_device"
)


@dataclass(frozen=True)
class Event:
    """An event as its source tells it; `minute` after START, `load` the extract it is from (None: not said)."""

    source: str
    number: int
    record: str
    device: str | None
    minute: int
    kind: str = "page_viewed"
    utm_source: str | None = None
    utm_medium: str | None = None
    load: int | None = None
    amount: int | None = None

    def row(self) -> dict[str, Any]:
        at = START + timedelta(minutes=self.minute)
        return {
            "source": self.source,
            "event_id": f"{self.number}",
            "record_id": self.record,
            "event_type": self.kind,
            "channel": "web" if self.source == "web" else "store",
            "occurred_at": at,
            "received_at": at,
            "utm_source": self.utm_source,
            "utm_medium": self.utm_medium,
            "page_path": f"/{self.number}",
            "amount": self.amount,
            "device_record_id": self.device,
            "extracted_at": None if self.load is None else START + timedelta(days=1 + self.load),
        }


@dataclass
class World:
    """What the sources tell and identity says at this moment."""

    events: dict[tuple[str, int], Event] = field(default_factory=dict)
    persons: dict[tuple[str, str], str] = field(default_factory=dict)
    slices: list[tuple[str, str, int, int]] = field(default_factory=list)  # device, person, from, to
    load: int = 0

    def person(self, event: Event) -> tuple[str, bool]:
        for device, person, start, end in self.slices:
            if event.source == "web" and event.record == device and start <= event.minute < end:
                return person, True
        return self.persons[event.source, event.record], False

    def expected(self) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
        """Events and sessions by the rules, in plain Python."""
        events, sessions = set(), set()
        visitors: dict[tuple[str, str, str | None], list[Event]] = defaultdict(list)
        for event in self.events.values():
            visitors[self.person(event)[0], event.source, event.device].append(event)
        for (person, source, device), seen in visitors.items():
            seen.sort(key=lambda each: (each.minute, f"{each.number}"))
            groups: list[list[Event]] = []
            for event in seen:
                if not groups or event.minute - groups[-1][-1].minute > 30:
                    groups.append([])
                groups[-1].append(event)
            for group in groups:
                name = f"{source}:{group[0].number}" if device else None
                for event in group:
                    amount, at = event.amount, START + timedelta(minutes=event.minute)
                    identifier, shared = f"{source}:{event.number}", self.person(event)[1]
                    events.add((identifier, person, name, event.kind, event.utm_source, None, amount, at, shared))
                if not device:
                    continue
                known = [event for event in group if event.utm_source or event.utm_medium]
                first = known[0] if known else replace(group[0], utm_source=None, utm_medium=None)
                sessions.add(
                    (
                        name,
                        person,
                        device,
                        _channel(first),
                        first.utm_source,
                        f"/{group[0].number}",
                        len(group),
                        sum(event.kind == "product_added" for event in group),
                        START + timedelta(minutes=group[0].minute),
                        START + timedelta(minutes=group[-1].minute),
                    )
                )
        return events, sessions


def _channel(event: Event) -> str:
    is_search = (event.utm_source or "").startswith("google")
    if event.utm_medium == "cpc" and is_search:
        return "paid_search"
    if event.utm_medium == "email":
        return "email"
    if is_search:
        return "organic_search"
    return "referral" if event.utm_source or event.utm_medium else "direct"


def told(house: House, world: World) -> None:
    """Put the world's state into the tables at the edge."""
    for source in ("web", "till"):
        house.connection.execute(f"truncate stg_{source}__events")
        house.insert(
            f"stg_{source}__events", [event.row() for event in world.events.values() if event.source == source]
        )
    before = {
        (source, record): person
        for source, record, person in house.rows("select source, record_id, customer_id from identity_graph")
    }
    house.connection.execute("truncate identity_graph")
    house.insert(
        "identity_graph",
        [{"source": s, "record_id": r, "customer_id": person} for (s, r), person in world.persons.items()],
    )
    for source, record in {key for key, person in world.persons.items() if before.get(key) != person}:
        house.connection.execute(
            "insert into identity_assignments values (?, ?, cast(current_timestamp as timestamp))", [source, record]
        )
    house.connection.execute("truncate identity_device_owners")
    house.insert(
        "identity_device_owners",
        [
            {
                "source": "web",
                "record_id": device,
                "customer_id": person,
                "valid_from": START + timedelta(minutes=start),
                "valid_to": START + timedelta(minutes=end),
            }
            for device, person, start, end in world.slices
        ],
    )


def found(house: House) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    events = house.rows(f"select {EVENT_OF_ALL} from customer_events")
    sessions = house.rows(
        "select session_id, customer_id, record_id, channel, utm_source, landing_page, event_count, cart_add_count,"
        " started_at, ended_at from customer_sessions"
    )
    assert len(events) == len(set(events)) and len(sessions) == len(set(sessions))
    return set(events), set(sessions)


def a_house(changes: dict[str, tuple[str, str]] | None = None) -> House:
    house = House(changes)
    house.insert("channel_rules", RULES)
    house.insert("traffic_sites", SITES)
    return house


Step = Callable[[World], None]
RECORDS = ("anonymous:1", "anonymous:2", "user:1", "user:2")
DEVICES = ("anonymous:1", "anonymous:2")
PERSONS = ("ann", "bob", "cho")


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One thing that happens between two runs."""
    what = draw(
        st.sampled_from(["tell", "tell", "tell", "tell", "retell", "till", "withdraw", "revive", "own", "share"])
    )
    number = draw(st.integers(0, 11))
    minute = draw(st.integers(0, 12)) * 11
    record, device = draw(st.sampled_from(RECORDS)), draw(st.sampled_from(DEVICES))
    person = draw(st.sampled_from(PERSONS))
    campaign = draw(st.sampled_from([(None, None), ("google", "cpc"), ("google", None), ("x", "email"), ("y", None)]))
    kind = draw(st.sampled_from(["page_viewed", "product_added"]))

    def step(world: World) -> None:
        if what in ("tell", "retell"):
            if (("web", number) in world.events) == (what == "retell"):
                where = record if record.startswith("user") else device
                world.events["web", number] = Event(
                    "web", number, where, device, minute, kind, *campaign, load=world.load
                )
        elif what == "till":
            world.events["till", number % 3] = Event(
                "till", number % 3, "card:1", None, minute, "bought", amount=number
            )
        elif what == "withdraw":
            world.events.pop(("web" if number % 4 else "till", number), None)
        elif what == "revive" and ("web", number) in world.events:
            # the file with the latest appearance is taken back: an older one stands again
            held = world.events["web", number]
            world.events["web", number] = replace(held, minute=minute, load=max(0, (held.load or 0) - 1))
        elif what == "own":
            world.persons["web" if number % 5 else "till", record if number % 5 else "card:1"] = person
        elif what == "share":
            world.slices = [one for one in world.slices if one[0] != device] + (
                [(device, person, minute, minute + 50)] if number % 3 else []
            )

    return step


def live(history: list[list[Step]], changes: dict[str, tuple[str, str]] | None = None) -> None:
    """After every run the incremental tables are as the rules have it; at the end, as a build from nothing."""
    house, world = a_house(changes), World()
    world.persons = {("web", record): f"of {record}" for record in RECORDS} | {("till", "card:1"): "ann"}
    for happenings in history:
        world.load += 1
        for step in happenings:
            step(world)
        told(house, world)
        house.build()
        assert found(house) == world.expected()
    incremental = {
        table: house.rows(f"select * exclude (changed_at) from {table} order by all")
        for table in ("customer_events", "customer_sessions")
    }
    house.build(full_refresh=True)
    for table, rows in incremental.items():
        assert rows == house.rows(f"select * exclude (changed_at) from {table} order by all")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(steps(), min_size=1, max_size=8), min_size=2, max_size=5))
def test_any_history_gives_what_a_build_from_nothing_gives(history: list[list[Step]]) -> None:
    live(history)
