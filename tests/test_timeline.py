"""The timeline after any history of loads, late events, corrections, withdrawals, merges and splits is the one that is
built from nothing, and the one that an independent reading of the rules gives."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
        elif what == "revive" and (held := world.events.get(("web", number))) and held.load:
            # the file with the latest appearance is taken back: one of an earlier extract stands again
            world.events["web", number] = replace(held, minute=minute, load=held.load - 1)
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


def web(
    number: int, minute: int, load: int, record: str = "anonymous:1", device: str = "anonymous:1", **more: Any
) -> Event:
    return Event("web", number, record, device, minute, load=load, **more)


class Diary:
    """A history told step by step: `run` lets the models see the world and holds them against the rules."""

    def __init__(self, changes: dict[str, tuple[str, str]] | None = None) -> None:
        self.house, self.world = a_house(changes), World()
        self.world.persons = {("web", record): "ann" for record in RECORDS} | {("till", "card:1"): "ann"}

    def tell(self, *events: Event) -> None:
        self.world.events.update({(event.source, event.number): event for event in events})

    def run(self) -> None:
        told(self.house, self.world)
        self.house.build()
        assert found(self.house) == self.world.expected()

    def sessions(self) -> list[tuple[Any, ...]]:
        return self.house.rows("select session_id, event_count from customer_sessions order by started_at, session_id")

    def written(self) -> list[str]:
        """Events that the latest build wrote."""
        latest = "select event_id from customer_events where changed_at = (select max(changed_at) from customer_events)"
        return sorted(event for (event,) in self.house.rows(latest))


def a_late_event_before_the_first(diary: Diary) -> None:
    """A session is named after its first event: one that comes late and lies before it gives the name."""
    diary.tell(web(1, 60, 1), web(2, 70, 1))
    diary.run()
    diary.tell(web(3, 40, 2))
    diary.run()
    assert diary.sessions() == [("web:3", 3)]


def a_late_event_in_the_pause(diary: Diary) -> None:
    """Two sessions grow together where a late event fills the pause; months may lie between event and load."""
    diary.tell(web(1, 0, 1), web(2, 50, 1), web(3, 200_000, 1))
    diary.run()
    assert diary.sessions() == [("web:1", 1), ("web:2", 1), ("web:3", 1)]
    diary.tell(web(4, 25, 9))
    diary.run()
    assert diary.sessions() == [("web:1", 3), ("web:3", 1)]


def a_merge_joins_two_histories(diary: Diary) -> None:
    """Two cookies of one browser record turn out to be one person: what lay side by side is one session."""
    diary.world.persons["web", "user:1"] = "bob"
    diary.tell(web(1, 0, 1), web(2, 10, 1, record="user:1"), web(3, 20, 1))
    diary.run()
    assert diary.sessions() == [("web:1", 2), ("web:2", 1)]
    diary.world.persons["web", "user:1"] = "ann"
    diary.run()
    assert diary.sessions() == [("web:1", 3)]
    diary.world.persons["web", "user:1"] = "bob"
    diary.run()
    assert diary.sessions() == [("web:1", 2), ("web:2", 1)]


def anonymous_before_sign_up(diary: Diary) -> None:
    """A session that goes on through the sign-up stays one, once the cookie is known to be the account's."""
    diary.world.persons |= {("web", "anonymous:1"): "unknown", ("web", "user:1"): "ann"}
    diary.tell(web(1, 0, 1), web(2, 5, 1, record="user:1"))
    diary.run()
    assert len(diary.sessions()) == 2
    diary.world.persons["web", "anonymous:1"] = "ann"
    diary.run()
    assert diary.sessions() == [("web:1", 2)]


def a_device_of_several_people(diary: Diary) -> None:
    """What happened while Bob was logged in is Bob's; when it turns out that he was not, it is the device's again."""
    diary.tell(web(1, 0, 1), web(2, 10, 1), web(3, 20, 1))
    diary.run()
    diary.world.slices = [("anonymous:1", "bob", 5, 15)]
    diary.run()
    assert diary.sessions() == [("web:1", 2), ("web:2", 1)]
    diary.world.slices = []
    diary.run()
    assert diary.sessions() == [("web:1", 3)]


def an_extract_withdrawn(diary: Diary) -> None:
    """What a source does not tell any more goes, and the session it held together parts."""
    diary.tell(web(1, 0, 1), web(2, 25, 2), web(3, 50, 1))
    diary.run()
    del diary.world.events["web", 2]
    diary.run()
    assert diary.sessions() == [("web:1", 1), ("web:3", 1)]


def an_older_appearance_stands_again(diary: Diary) -> None:
    """The file with the latest appearance was withdrawn: the one before, taken in long ago, is the event again."""
    diary.tell(web(1, 0, 1), web(2, 25, 3))
    diary.run()
    diary.tell(web(2, 90, 2))
    diary.run()
    assert diary.sessions() == [("web:1", 1), ("web:2", 1)]


def a_correction(diary: Diary) -> None:
    """An event told again elsewhere in time leaves its session and joins another."""
    diary.tell(web(1, 0, 1), web(2, 20, 1), web(3, 100, 1))
    diary.run()
    diary.tell(web(2, 110, 2))
    diary.run()
    assert diary.sessions() == [("web:1", 1), ("web:3", 2)]
    diary.tell(web(4, 25, 3), web(5, 50, 3))
    diary.run()
    diary.tell(web(4, 300, 4))
    diary.run()
    assert diary.sessions() == [("web:1", 1), ("web:5", 1), ("web:3", 2), ("web:4", 1)]


def a_source_that_does_not_say(diary: Diary) -> None:
    """The till does not say when it was taken in: it is compared whole, and what it takes back goes."""
    till = [Event("till", number, "card:1", "desk:1", 25 * number, "bought", amount=5) for number in range(3)]
    diary.tell(*till)
    diary.run()
    diary.tell(replace(till[0], amount=6))
    diary.run()
    diary.tell(Event("till", 3, "card:1", "desk:1", 900, "bought"))
    diary.run()
    assert diary.written() == ["till:3"]
    del diary.world.events["till", 1]
    diary.run()
    assert diary.sessions() == [("till:0", 1), ("till:2", 1), ("till:3", 1)]


def another_channel_rule(diary: Diary) -> None:
    """A rule that changes gives past sessions another channel, too."""
    diary.tell(web(1, 0, 1, utm_source="google", utm_medium="cpc"))
    diary.run()
    diary.house.connection.execute("update channel_rules set channel = 'display' where position = 1")
    diary.house.build()
    assert diary.house.rows("select channel from customer_sessions") == [("display",)]


def only_what_is_new(diary: Diary) -> None:
    """A run in which nobody became another writes the new events and no other."""
    diary.tell(*(web(number, 10 * number, 1) for number in range(5)))
    diary.run()
    diary.tell(web(7, 45, 2), web(8, 500, 2))
    diary.run()
    assert diary.written() == ["web:7", "web:8"]
    diary.run()
    assert diary.written() == ["web:7", "web:8"]


STORIES: list[Callable[[Diary], None]] = [
    a_late_event_before_the_first,
    a_late_event_in_the_pause,
    a_merge_joins_two_histories,
    anonymous_before_sign_up,
    a_device_of_several_people,
    an_extract_withdrawn,
    an_older_appearance_stands_again,
    a_correction,
    a_source_that_does_not_say,
    another_channel_rule,
    only_what_is_new,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_story(story: Callable[[Diary], None]) -> None:
    story(Diary())


# What each part of the machinery is for: without it a story ends differently.
MISSED = [
    (a_late_event_before_the_first, "timeline", "(-1, 0, 1)", "(0, )"),
    (a_late_event_before_the_first, "customer_events", "or session_id <> held_session_id", ""),
    (a_late_event_in_the_pause, "timeline", "on held.session_id = touched_sessions.session_id", "on false"),
    (a_merge_joins_two_histories, "timeline", "having max(assigned_at) >", "having max(assigned_at) <"),
    (anonymous_before_sign_up, "timeline", "{{ event_owner() }} <> held.customer_id\n            or", ""),
    (
        a_device_of_several_people,
        "timeline",
        "select source, record_id from device_owners",
        "select source, record_id from device_owners where false",
    ),
    (a_device_of_several_people, "timeline", "where is_shared_device\n", "where false\n"),
    (an_extract_withdrawn, "timeline", "having sum(surplus) < 0", "having false"),
    (an_extract_withdrawn, "timeline", "having sum(surplus) <> 0", "having false"),
    (an_older_appearance_stands_again, "timeline", "having sum(surplus) <> 0", "having false"),
    (a_correction, "customer_events", "or held_session_id in (select session_id from left_sessions)", ""),
    (a_correction, "timeline", "where fresh.event_id is null and held", "where held"),
    (
        a_source_that_does_not_say,
        "timeline",
        "where held.extracted_at is null and told.event_id is null",
        "where false",
    ),
    (a_source_that_does_not_say, "timeline", "where extracted_at is null and {{ kept }}", "where false"),
    (a_late_event_before_the_first, "timeline", "where beginning.event_id is null", "where false"),
    (another_channel_rule, "customer_sessions", "where held.channel <>", "where held.channel ="),
    (only_what_is_new, "customer_events", "is_fresh\n", "is_fresh or true\n"),
]


@pytest.mark.parametrize(("story", "file", "old", "new"), MISSED)
def test_each_part_is_missed(story: Callable[[Diary], None], file: str, old: str, new: str) -> None:
    with pytest.raises(AssertionError):
        story(Diary({file: (old, new)}))
