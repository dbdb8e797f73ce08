"""Consent: what a person allows, against an oracle that knows no SQL, over merges and splits."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from customer_house import SOURCES, House
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2026, 1, 1)
STATUSES = ["granted", "denied", "withdrawn", "unknown", "a word of tomorrow"]
Allowed = dict[tuple[str, str, str], tuple[str, bool]]


class Said(NamedTuple):
    """One row of a source's consents."""

    record: tuple[str, str]  # source, record_id
    purpose: str
    channel: str
    status: str
    day: int


@pytest.fixture(scope="module")
def house() -> House:
    return House()


CHAIN = ("int_customers__consent_changes", "customer_consent_events", "customer_consents")


def build(house: House, said: list[Said], people: dict[tuple[str, str], str], *, grown: bool = False) -> Allowed:
    """(person, purpose, channel): (status, may it be done); built from nothing, or `grown` out of what is there."""
    house.put(
        "consents",
        [
            (*row.record, row.purpose, row.channel, row.status, "consent", START + timedelta(days=row.day))
            for row in said
        ],
    )
    house.put("identity_graph", [(*record, person) for record, person in people.items()])
    (house.increment if grown else house.build)(*CHAIN)
    rows = house.rows("select customer_id, purpose, channel, status, is_allowed from customer_consents")
    assert house.rows("select count(*), count(distinct consent_event_id) from customer_consent_events") == [
        (len(said), len(said))
    ]
    return {(person, purpose, channel): (status, allowed) for person, purpose, channel, status, allowed in rows}


def oracle(said: list[Said], people: dict[tuple[str, str], str]) -> Allowed:
    """A record stands by its last word; of a person's records a no beats a yes, and a yes beats no word at all."""
    last: dict[Any, Said] = {}
    for row in sorted(said, key=lambda row: row.day):
        last[row.record, row.purpose, row.channel] = row
    found: Allowed = {}
    for person, purpose, channel in {(people[row.record], row.purpose, row.channel) for row in last.values()}:
        words = [
            row for row in last.values() if (people[row.record], row.purpose, row.channel) == (person, purpose, channel)
        ]
        noes = [row for row in words if row.status not in ("granted", "unknown")]
        yeses = [row for row in words if row.status == "granted"]
        decisive = noes or yeses or words
        latest = min(decisive, key=lambda row: (-row.day, row.record))
        found[person, purpose, channel] = (latest.status, latest.status == "granted")
    return found


RECORDS = [(source, f"r{number}") for source in SOURCES for number in range(3)]
EVENTS = st.lists(
    st.builds(
        Said,
        st.sampled_from(RECORDS),
        st.sampled_from(["marketing", "analytics"]),
        st.sampled_from(["email", "sms"]),
        st.sampled_from(STATUSES),
        st.integers(0, 30),
    ),
    max_size=25,
    # staging has one row per record, purpose, channel and moment
    unique_by=lambda row: (row.record, row.purpose, row.channel, row.day),
)
PEOPLE = st.lists(st.sampled_from("abcde"), min_size=len(RECORDS), max_size=len(RECORDS)).map(
    lambda owners: dict(zip(RECORDS, owners, strict=True))
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, PEOPLE, PEOPLE, EVENTS)
def test_the_most_restrictive_record_speaks_and_a_split_restores(
    house: House,
    said: list[Said],
    before: dict[tuple[str, str], str],
    after: dict[tuple[str, str], str],
    other: list[Said],
) -> None:
    first = build(house, said, before)
    assert first == oracle(said, before)
    # any merges and splits
    assert build(house, said, after, grown=True) == oracle(said, after)
    # and back, when something else was said in between
    assert build(house, other, after, grown=True) == oracle(other, after)
    assert build(house, said, before, grown=True) == first


@settings(max_examples=100, deadline=None)
@given(EVENTS, PEOPLE, st.sampled_from("abcde"), st.sampled_from("abcde"))
def test_a_merge_allows_nothing_that_one_of_the_two_refused(
    house: House, said: list[Said], people: dict[tuple[str, str], str], left: str, right: str
) -> None:
    apart = build(house, said, people)
    merged = build(house, said, {record: left if owner == right else owner for record, owner in people.items()})
    for (person, purpose, channel), (_, allowed) in merged.items():
        halves = [apart.get((half, purpose, channel)) for half in ({left, right} if person == left else {person})]
        refused = any(half and half[0] not in ("granted", "unknown") for half in halves)
        assert allowed == (not refused and any(half and half[1] for half in halves))
