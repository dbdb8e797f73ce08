"""Each guard of the identity layer has a story that ends badly without it: tried with the guard, and without."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from identity_house import POLICY, Changes, House
from identity_worlds import partitions

from kinship.identity import admission, hygiene

Story = Callable[[House], Any]
STORIES: dict[str, tuple[Story, Any, int]] = {}
Row = tuple[Any, ...]


def ends(expected: Any, largest: int = 50) -> Callable[[Story], Story]:
    """How the story ends: what the function returns, by default the people as `ab c`."""

    def keep(story: Story) -> Story:
        STORIES[story.__name__] = (story, expected, largest)
        return story

    return keep


def people(house: House) -> str:
    """The people by their records: `a b` are two, `ab` is one."""
    house.build()
    return " ".join(sorted("".join(sorted(records)) for records in house.people()))


# Values that identify nobody


@ends("a b")
def a_listed_placeholder(house: House) -> str:
    house.connection.execute("insert into identity_blocked_values values ('email', 'test@test.com')")
    house.put("a", {"email": "test@test.com"})
    house.put("b", {"email": "test@test.com"})
    return people(house)


@ends("a b")
def a_value_that_a_steward_blocked(house: House) -> str:
    house.override("block_value", ("email", "x"))
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    return people(house)


@ends("a b c")
def a_family_tablet(house: House) -> str:
    """Two accounts log in on one tablet; what was done on it without a login is neither's."""
    house.put("a", {"phone": "tablet", "account_id": "1"}, 1)
    house.put("b", {"phone": "tablet", "account_id": "2"}, 2)
    house.put("c", {"phone": "tablet"}, 3)
    return people(house)


@ends("a b c")
def an_office_mailbox(house: House) -> str:
    for name, given_name in (("a", "ann"), ("b", "bob"), ("c", None)):
        house.put(name, {"email": "info"}, given_name=given_name)
    return people(house)


@ends("abcdefghij")
def a_name_misspelt_once(house: House) -> str:
    for name in "abcdefghij":
        house.put(name, {"email": "x"}, given_name="an" if name == "a" else "ann")
    return people(house)


@ends("a b")
def a_number_handed_on(house: House) -> str:
    house.put("a", {"phone": "5"}, day=0)
    house.put("b", {"phone": "5"}, day=400)
    return people(house)


# What one person cannot be


@ends("am b")
def a_bridge_between_two_accounts(house: House) -> str:
    """No value is shared by both accounts, but a record lies between them: it goes with the stronger evidence."""
    house.put("a", {"account_id": "1", "email": "x"})
    house.put("m", {"email": "x", "phone": "5"})
    house.put("b", {"account_id": "2", "phone": "5"})
    return people(house)


@ends("am bcde")
def a_value_that_many_carry(house: House) -> str:
    """Two addresses tie a record to two accounts: the one that fewer records carry says more."""
    house.put("a", {"account_id": "1", "email": "x"}, 1)
    house.put("m", [("email", "x"), ("email", "y")], 2)
    house.put("b", {"account_id": "2", "email": "y"}, 3)
    for day, name in enumerate("cde"):
        house.put(name, {"email": "y"}, 4 + day)
    return people(house)


@ends("a b")
def two_whom_a_steward_keeps_apart(house: House) -> str:
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    house.override("cannot_link", "a", "b")
    return people(house)


@ends(2)
def two_kept_apart_whatever_lies_between(house: House) -> int:
    for name, held in (("a", "v"), ("m", "vw"), ("n", "wx"), ("b", "x")):
        house.put(name, [("email", value) for value in held])
    house.override("cannot_link", "b", "a")
    house.build()
    ids = house.ids()
    assert len(house.people()) == 2
    return len({ids["a"], ids["b"]})


@ends("ab c")
def of_two_decisions_the_later(house: House) -> str:
    house.put("a", {"email": "x"})
    house.put("b", {"email": "y"})
    house.put("c", {"email": "y"})
    house.override("cannot_link", "a", "b", day="2026-02-01")
    house.override("must_link", "b", "a", day="2026-02-02")
    house.override("must_link", "b", "c", day="2026-02-02")
    house.override("cannot_link", "b", "c", day="2026-02-03")
    return people(house)


@ends("a b")
def of_two_decisions_of_one_day_the_careful_one(house: House) -> str:
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    for action in ("must_link", "cannot_link"):
        house.override(action, "a", "b")
    return people(house)


@ends("ab")
def a_decision_that_a_limit_would_refuse(house: House) -> str:
    """Two accounts of the shop, of which a person has one."""
    house.put("a", {"account_id": "1"})
    house.put("b", {"account_id": "2"})
    house.override("must_link", "a", "b")
    return people(house)


@ends("a b c")
def a_decision_that_is_over(house: House) -> str:
    yesterday = date.today() - timedelta(days=1)
    for name in "abc":
        house.put(name)
    house.override("must_link", "a", "b", expires=yesterday)
    return people(house)


@ends("a c")
def a_decision_about_a_record_that_is_gone(house: House) -> str:
    for name in "abc":
        house.put(name)
    house.override("must_link", "a", "b")
    house.override("must_link", "b", "c")
    house.build()
    house.drop("b")
    return people(house)


# Likenesses


@ends("abc def")
def two_families_and_one_lucky_likeness(house: House) -> str:
    for name in "abcdef":
        house.put(name)
    for family in ("abc", "def"):
        for left, right in ("01", "12", "02"):
            house.alike(family[int(left)], family[int(right)], 12.0)
    house.alike("a", "d", 5.0)
    return people(house)


@ends("a b c d e", largest=4)
def more_alike_than_anybody_has_records(house: House) -> str:
    for name in "abcde":
        house.put(name)
    for place, left in enumerate("abcde"):
        for right in "abcde"[place + 1 :]:
            house.alike(left, right, 9.0)
    return people(house)


@ends(["a b c d ef g", "a b cd ef g", "ab cd ef g"])
def how_sure_one_wants_to_be(house: House) -> list[str]:
    """The people strictly, by default and broadly."""
    for name in "abcdefg":
        house.put(name)
    for pair, bits in (("ab", 3.0), ("cd", 5.0), ("ef", 15.0)):
        house.alike(*pair, bits)
    house.build()
    return [" ".join(sorted("".join(sorted(one)) for one in level)) for level in partitions(house).values()]


@ends("a b")
def a_likeness_to_what_a_record_said_once(house: House) -> str:
    house.put("a", says="moved")
    house.put("b")
    house.alike("a", "b", 30.0)
    return people(house)


# Ids and what is gone


@ends(["same", "same"])
def an_older_record_that_arrives_late(house: House) -> list[str]:
    house.put("b", {"email": "x"}, 10)
    house.build()
    before = house.ids()["b"]
    house.put("a", {"email": "x"}, 0)
    house.build()
    return ["same" if one == before else "another" for one in house.ids().values()]


@ends("the oldest")
def a_merge(house: House) -> str:
    """The id of the smaller person is older."""
    for day, name in enumerate("abcd"):
        house.put(name, {"email": "x" if name == "a" else "y"}, day)
    house.build()
    before = house.ids()
    house.override("must_link", "a", "b")
    house.build()
    return "the oldest" if set(house.ids().values()) == {before["a"]} else "another"


@ends("the larger")
def a_split(house: House) -> str:
    """The smaller part holds the oldest record."""
    for day, name in enumerate("abcd"):
        house.put(name, {"email": "x" if name == "a" else "y"}, day)
    house.override("must_link", "a", "b")
    house.build()
    before = house.ids()["a"]
    house.withdraw()
    house.build()
    return "the larger" if house.ids()["b"] == before != house.ids()["a"] else "another"


@ends("as before")
def a_merge_undone(house: House) -> str:
    house.put("a", {"email": "x"}, 0)
    house.put("b", {"email": "y"}, 1)
    house.build()
    before = house.ids()
    house.override("must_link", "a", "b")
    house.build()
    house.withdraw()
    house.build()
    return "as before" if house.ids() == before else "other ids"


@ends("as before")
def a_record_that_was_gone_for_a_while(house: House) -> str:
    """Its person was named after another record."""
    house.put("a", {"email": "x"}, 5)
    house.put("b", {"email": "x"}, 6)
    house.build()
    before = house.ids()
    for name in "ab":
        house.drop(name)
    house.build()
    assert house.ids() == {}
    house.put("b", {"email": "x"}, 6)
    house.build()
    return "as before" if house.ids()["b"] == before["b"] else "another id"


@ends("as before")
def evidence_that_is_gone(house: House) -> str:
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    house.build()
    house.drop("b")
    house.put("b", {"email": "y"})
    return "as before" if people(house) == "a b" else "still one"


@ends("ab")
def a_refusal_taken_back(house: House) -> str:
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    house.override("cannot_link", "a", "b")
    house.build()
    house.withdraw()
    return people(house)


@pytest.mark.parametrize("name", STORIES)
def test_the_story_ends_well(name: str) -> None:
    story, expected, largest = STORIES[name]
    assert story(House(largest=largest)) == expected


# The guards, taken out one at a time


@dataclass(frozen=True)
class Without:
    """A guard taken out: other text in models or macros, other rows of the policy, or another Python function."""

    story: Story
    changes: Changes | None = None
    policy: dict[str, Row] | None = None
    python: tuple[Any, str, Callable[..., Any]] | None = None


def text(story: Story, file: str, old: str, new: str) -> Without:
    return Without(story, {file: (old, new)})


QUARANTINE, OVERRIDES, REFUSALS = "identity_quarantine", "int_identity__overrides", "int_identity__refusals"
NEVER = "1 = 0"
WITHOUT = {
    "list of blocked values": text(
        a_listed_placeholder, QUARANTINE, "when blocked_values.identifier_value is not null", f"when {NEVER}"
    ),
    "steward's blocks": text(
        a_value_that_a_steward_blocked, QUARANTINE, "where action = 'block_value'", f"where {NEVER}"
    ),
    "too many accounts": text(
        a_family_tablet, QUARANTINE, "when most_company.person_count > policy.max_persons_per_value", f"when {NEVER}"
    ),
    "too many accounts, in the policy": Without(
        a_family_tablet, policy={"phone": ("phone", 2, "default", 14.0, None, None, 365)}
    ),
    "too many names": text(
        an_office_mailbox, QUARANTINE, "when name_variety.effective_names > policy", f"when {NEVER} and 0 > policy"
    ),
    "names by their entropy, not their number": text(
        a_name_misspelt_once, QUARANTINE, "name_variety.effective_names > policy", "name_variety.name_count > policy"
    ),
    "noise of names": text(
        a_name_misspelt_once, QUARANTINE, "+ {{ var('identity_name_noise') }}", "+ 0.1"
    ),
    "window of time": text(
        a_number_handed_on, "int_identity__shared_identifiers", "policy.window_days is null", "1 = 1"
    ),
    "window of time, in the policy": Without(
        a_number_handed_on, policy={"phone": ("phone", 2, "default", 14.0, None, 1, None)}
    ),
    "limit per person": text(
        a_bridge_between_two_accounts, "int_identity__claims", "policy.max_per_person is not null", NEVER
    ),
    "limit per person, in the policy": Without(
        a_bridge_between_two_accounts, policy={"account_id": ("account_id", 1, "strict", 40.0, 2, None, None)}
    ),
    "limit per person, in the walk": Without(
        a_bridge_between_two_accounts, python=(admission, "_exceeded", lambda *_: None)
    ),
    "limit per person, in the search for the suspicious": text(
        a_bridge_between_two_accounts, REFUSALS, "having count(distinct value_hash) > max(most)", f"having {NEVER}"
    ),
    "strongest first": text(
        a_bridge_between_two_accounts, "identity", "{{ relation }}.level, {{ relation }}.tier, -{{ relation }}.weight",
        "-{{ relation }}.level, -{{ relation }}.tier, {{ relation }}.weight",
    ),
    "weight by how many carry a value": text(
        a_value_that_many_carry, "int_identity__shared_identifiers", "- ln(chained.record_count / 2.0)",
        "+ ln(chained.record_count / 2.0)",
    ),
    "cannot-link": text(
        two_whom_a_steward_keeps_apart, "int_identity__current_evidence", "where action = 'cannot_link'",
        f"where {NEVER}",
    ),
    "cannot-link through a chain": text(
        two_kept_apart_whatever_lies_between, "int_identity__current_evidence", "where action = 'cannot_link'",
        f"where {NEVER}",
    ),
    "cannot-link, in the search for the suspicious": text(
        two_kept_apart_whatever_lies_between, REFUSALS, "select component_id from aparts",
        f"select component_id from aparts where {NEVER}",
    ),
    "cannot-link, in the walk": Without(
        two_kept_apart_whatever_lies_between, python=(admission, "_apart_by_node", lambda _: {})
    ),
    "refused is refused": text(
        two_whom_a_steward_keeps_apart, "int_identity__clusters", "and refusals.reason is null", ""
    ),
    "the later decision": text(
        of_two_decisions_the_later, OVERRIDES, "order by decided_on desc", "order by decided_on"
    ),
    "the careful decision": text(
        of_two_decisions_of_one_day_the_careful_one, OVERRIDES, "decided_on desc, action asc",
        "decided_on desc, action desc",
    ),
    "last day of a decision": text(
        a_decision_that_is_over, OVERRIDES, "where expires_on is null or expires_on >= current_date", ""
    ),
    "decisions about what is there": text(
        a_decision_about_a_record_that_is_gone, OVERRIDES, "ref('int_identity__records')", "ref('int_identity__nodes')"
    ),
    "hygiene": Without(
        two_families_and_one_lucky_likeness,
        python=(hygiene, "clean", lambda left, *_: np.zeros(len(left), dtype=np.int8)),
    ),
    "hygiene, in the search for the suspicious": text(
        two_families_and_one_lucky_likeness, REFUSALS, "max(case when rule = 'likeness'", "min(case when rule = 'email'"
    ),
    "largest person": text(
        more_alike_than_anybody_has_records, REFUSALS, "'likeness_model.largest_component'", "'50'"
    ),
    "default level": text(
        how_sure_one_wants_to_be, "int_identity__links", "{{ var('identity_levels')['default'] }}", "1"
    ),
    "strict level": text(
        how_sure_one_wants_to_be, "int_identity__links", "{{ var('identity_levels')['strict'] }}", "1"
    ),
    "levels of the clusters": text(
        how_sure_one_wants_to_be, "int_identity__clusters", "where level <= {{ loop.index0 }}", ""
    ),
    "likeness of what a record says now": text(
        a_likeness_to_what_a_record_said_once, "int_identity__likenesses",
        "and scored_pairs.left_hash = left_attributes.attributes_hash", "",
    ),
    "the registry keeps ids": text(
        an_older_record_that_arrives_late, "customer_ids", "where claims.place = 1", f"where {NEVER}"
    ),
    "the registry is read": text(
        an_older_record_that_arrives_late, "identity_assignments", "where recency = 1", f"where {NEVER}"
    ),
    "the oldest id wins": text(
        a_merge, "customer_ids", "order by issued.customer_since, claims", "order by issued.customer_since desc, claims"
    ),
    "the largest part keeps the id": text(
        a_split, "customer_ids", "order by record_count desc, oldest_at", "order by record_count, oldest_at"
    ),
    "a part takes its old id back": text(
        a_merge_undone, "customer_ids", "case when part_count > 1 then coalesce(restorable_id, old_id) else old_id end",
        "old_id",
    ),
    "whoever comes back is who they were": text(
        a_record_that_was_gone_for_a_while, "identity_assignments", "coalesce(latest.customer_id, latest.home_id)",
        "latest.customer_id",
    ),
    "evidence that is gone is gone": text(
        evidence_that_is_gone, "int_identity__evidence", "found.evidence_id is not null as is_current",
        "true as is_current",
    ),
    "a refusal is taken back": text(
        a_refusal_taken_back, REFUSALS, "known.reason is not null", NEVER
    ),
    "components that changed are solved again": text(
        a_refusal_taken_back, "identity", "where changed_in > {{ last }}", f"where {NEVER}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("guard", WITHOUT)
def test_without_the_guard_it_does_not(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = WITHOUT[guard]
    story, expected, largest = STORIES[without.story.__name__]
    if without.python:
        monkeypatch.setattr(*without.python)
    policy = [(without.policy or {}).get(row[0], row) for row in POLICY]
    with pytest.raises(AssertionError):
        assert story(House(policy, without.changes or {}, largest)) == expected


def test_every_story_has_a_guard_that_it_needs() -> None:
    assert {without.story.__name__ for without in WITHOUT.values()} == STORIES.keys()
