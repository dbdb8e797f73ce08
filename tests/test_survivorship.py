"""The golden record: every rule and tie-break of the seed `survivorship`, against an oracle that knows no SQL."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from customer_house import SOURCES, House, Stopped
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2026, 1, 1)
BLOCKED = "test@test.com"
CHAIN = (
    "int_identity__attribute_changes",
    "int_customers__attribute_changes",
    "int_customers__attribute_values",
    "customer_attribute_candidates",
    "customer_attribute_sources",
    "int_customers__golden_attributes",
)
# what records are compared by follows the same changes
WITH_RECORDS = ("int_identity__attribute_changes", "int_identity__record_attributes", *CHAIN[1:])


class Said(NamedTuple):
    """One row of a source's attributes; `person` is whose record it is."""

    person: str
    source: str
    record: str
    attribute: str
    value: str
    verified: bool
    day: int


class Rule(NamedTuple):
    """One row of the seed."""

    attribute: str
    rule: str
    order: str = ""
    together: str = ""


ALL_OTHERS = Rule("*", "source_priority", "crm shop mail")


@pytest.fixture(scope="module")
def house() -> House:
    house = House()
    house.put("identity_blocked_values", [("email", BLOCKED)])
    return house


def tell(house: House, rules: Iterable[Rule], said: Iterable[Said]) -> None:
    """Put into the house what is said, and the rules."""
    said = list(said)
    house.put(
        "survivorship", [(rule.attribute, rule.rule, rule.order or None, rule.together or None) for rule in rules]
    )
    house.put("identity_graph", sorted({(row.source, row.record, row.person) for row in said}))
    house.put(
        "attributes",
        [
            (row.source, row.record, row.attribute, row.value, row.verified, START + timedelta(days=row.day))
            for row in said
        ],
    )
    house.check_survivorship()


def choose(house: House, rules: Iterable[Rule], said: Iterable[Said]) -> dict[tuple[str, str], tuple[str, str]]:
    """(person, attribute): (value, record that won)."""
    tell(house, rules, said)
    house.build(*CHAIN)
    rows = house.rows(
        "select customer_id, attribute, value, source || ':' || record_id from customer_attribute_sources"
    )
    found = {(person, attribute): (value, record) for person, attribute, value, record in rows}
    assert len(found) == len(rows)
    return found


def oracle(rules: Iterable[Rule], said: Iterable[Said]) -> dict[tuple[str, str], tuple[str, str]]:
    """What docs/profile.md says, one person and one choice at a time."""
    rules = {rule.attribute: rule for rule in rules}
    every_other = rules["*"]
    choices: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for row in said:
        rule = rules.get(row.attribute, every_other)
        if row.attribute == "email" and (row.value.lower() == BLOCKED or "@" not in row.value):
            continue
        choices[row.person, rule.together or row.attribute].append(row)

    chosen: dict[tuple[str, str], tuple[str, str]] = {}
    for (person, _), rows in choices.items():
        rule = rules.get(rows[0].attribute, every_other)
        order = (rule.order or every_other.order).split()
        statements = _statements(rows, alone=not rule.together)

        def frequency(statement: list[Said], statements: list[list[Said]] = statements) -> int:
            same = [other for other in statements if _spelled(other) == _spelled(statement)]
            return len({(other[0].source, other[0].record) for other in same})

        def merit(
            statement: list[Said], rule: Rule = rule, order: list[str] = order, frequency: Any = frequency
        ) -> Any:
            first = statement[0]
            by_rule = {
                "source_priority": 0,
                "most_recent": -first.day,
                "most_frequent": -frequency(statement),
                "verified_first": -any(row.verified for row in statement),
                "longest": -sum(len(row.value) for row in statement),
            }[rule.rule]
            place = order.index(first.source) if first.source in order else len(order)
            fullness = -len({row.attribute for row in statement})
            value = first.value if not rule.together else ""
            return fullness, by_rule, place, -first.day, first.source, first.record, value

        best = min(statements, key=merit)
        for attribute in {row.attribute for row in best}:
            value = min(row.value for row in best if row.attribute == attribute)
            chosen[person, attribute] = (value, f"{best[0].source}:{best[0].record}")
    return chosen


def _statements(rows: list[Said], *, alone: bool) -> list[list[Said]]:
    """What each record says today: of what goes together its last statement, of one attribute each last value."""
    by_record: dict[Any, list[Said]] = defaultdict(list)
    for row in rows:
        by_record[row.source, row.record, alone and row.verified].append(row)
    found = []
    for spoken in by_record.values():
        last = [row for row in spoken if row.day == max(one.day for one in spoken)]
        found += [[row] for row in last] if alone else [last]
    return found


def _spelled(statement: list[Said]) -> set[tuple[str, str]]:
    return {(row.attribute, row.value.lower()) for row in statement}


VALUES = {
    "first_name": ["Ann", "ANN", "Anne Marie", "Bo"],
    "job_title": ["Head", "head", "Head of Sales", "Clerk"],
    "email": ["ann@a.example", "Ann@A.example", "bo@long.example", BLOCKED, "Test@Test.com", "nobody"],
    "street": ["1 Long Road", "2 Hill", "3 Quay"],
    "city": ["Sofia", "sofia", "Ruse"],
    "company_name": ["Acme", "ACME", "Zenith Works"],
    "size": ["s", "xl"],
}
RULES = ["source_priority", "most_recent", "most_frequent", "verified_first", "longest"]
ORDERS = st.lists(st.sampled_from(SOURCES), unique=True).map(" ".join)


@st.composite
def seeds(draw: st.DrawFn) -> list[Rule]:
    address = (draw(st.sampled_from(RULES)), draw(ORDERS), "address")
    rows = [Rule("*", draw(st.sampled_from(RULES)), draw(ORDERS)), Rule("street", *address), Rule("city", *address)]
    alone = draw(st.lists(st.sampled_from(["first_name", "job_title", "email", "size"]), unique=True))
    return [*rows, *(Rule(attribute, draw(st.sampled_from(RULES)), draw(ORDERS)) for attribute in alone)]


@st.composite
def sayings(draw: st.DrawFn) -> list[Said]:
    """Up to six records, each one person's, each saying things on a few days."""
    found = {}
    owners = draw(st.lists(st.tuples(st.sampled_from(["p", "q"]), st.sampled_from(SOURCES)), min_size=1, max_size=6))
    for number, (person, source) in enumerate(owners):
        for attribute, pick, verified, day in draw(
            st.lists(
                st.tuples(st.sampled_from(sorted(VALUES)), st.integers(0, 5), st.booleans(), st.integers(0, 3)),
                max_size=8,
            )
        ):
            value = VALUES[attribute][pick % len(VALUES[attribute])]
            # staging has one row per record, attribute and value
            found[number, attribute, value] = Said(person, source, f"r{number}", attribute, value, verified, day)
    return list(found.values())


@settings(max_examples=60, deadline=None)
@given(seeds(), st.lists(sayings(), min_size=1, max_size=4))
def test_the_golden_record_is_the_one_the_rules_say(house: House, rules: list[Rule], worlds: list[list[Said]]) -> None:
    # several worlds in one build: persons and records of each are others
    said = [
        row._replace(person=f"{row.person}{world}", record=f"{world}{row.record}")
        for world, rows in enumerate(worlds)
        for row in rows
    ]
    assert choose(house, rules, said) == oracle(rules, said)
    counted = house.rows("""
        select count(*), count(*) filter (outcome = 'won'), count(distinct (customer_id, attribute, candidate_rank))
        from customer_attribute_candidates
    """)
    (totals,) = house.rows("select count(*), coalesce(sum(lost_count + 1), 0) from customer_attribute_sources")
    ((candidates, won, ranks),) = counted
    assert (candidates, won, ranks) == (len(said), totals[0], len(said))
    assert totals[1] <= candidates


def kept(house: House) -> list[list[tuple[Any, ...]]]:
    """All rows but for when they were written."""
    tables = [model for model in WITH_RECORDS if not model.endswith("_changes")]
    return [house.rows(f"select * exclude (changed_at) from {model} order by all") for model in tables]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(seeds(), sayings(), st.booleans()), min_size=2, max_size=4))
def test_a_golden_record_that_grew_is_one_built_from_nothing(
    house: House, days: list[tuple[list[Rule], list[Said], bool]]
) -> None:
    """Records come, change, go and are given to another person from day to day; now and then the rules are others."""
    rules, said, _ = days[0]
    tell(house, rules, said)
    house.build(*WITH_RECORDS)
    for others, more, rules_change in days[1:]:
        rules = others if rules_change else rules
        tell(house, rules, more)
        house.increment(*WITH_RECORDS)
    grown = kept(house)
    house.build(*WITH_RECORDS)
    assert grown == kept(house)


def test_only_who_has_changed_is_chosen_for_again(house: House) -> None:
    said = [Said("ann", "crm", "r1", "city", "Sofia", False, 0), Said("bo", "crm", "r2", "city", "Ruse", False, 0)]
    choose(house, [ALL_OTHERS], said)
    written = "select customer_id, changed_at from customer_attribute_candidates order by all"
    before = dict(house.rows(written))
    tell(house, [ALL_OTHERS], [said[0], said[1]._replace(value="Varna", day=1)])
    house.increment(*CHAIN)
    after = dict(house.rows(written))
    assert after["ann"] == before["ann"]
    assert after["bo"] > before["bo"]
    # a table that an older version made does not say when
    house.rows("alter table customer_attribute_sources drop column changed_at")
    house.rows("alter table customer_attribute_sources add column changed_at timestamp")
    tell(house, [ALL_OTHERS], said)
    house.increment(*CHAIN)
    assert house.rows("select value from customer_attribute_sources order by all") == [("Ruse",), ("Sofia",)]


def test_an_address_is_never_mixed_from_two_records(house: House) -> None:
    rules = [ALL_OTHERS, *(Rule(name, "most_recent", "", "address") for name in ("street", "city", "postal_code"))]
    said = [
        Said("ann", "shop", "r1", "street", "1 Long Road", False, 1),
        Said("ann", "shop", "r1", "city", "Sofia", False, 1),
        Said("ann", "shop", "r1", "postal_code", "1000", False, 1),
        Said("ann", "mail", "r2", "city", "Ruse", False, 9),
        Said("ann", "shop", "r3", "street", "2 Hill", False, 2),
        Said("ann", "shop", "r3", "city", "Varna", False, 2),
        Said("ann", "shop", "r3", "postal_code", "9000", False, 2),
        # the record has moved since
        Said("ann", "shop", "r3", "street", "9 Old Road", False, 0),
    ]
    assert choose(house, rules, said) == {
        ("ann", "street"): ("2 Hill", "shop:r3"),
        ("ann", "city"): ("Varna", "shop:r3"),
        ("ann", "postal_code"): ("9000", "shop:r3"),
    }


def test_a_number_without_its_country_is_one_with_the_same_number_abroad(house: House) -> None:
    said = [
        Said("ann", "shop", "r1", "phone", "0888 123 456", False, 1),
        Said("ann", "shop", "r1", "country_code", "BG", False, 1),
        Said("ann", "mail", "r2", "phone", "+359 888 123456", False, 1),
        Said("ann", "crm", "r3", "phone", "+44 20 7946 0018", False, 1),
    ]
    won = choose(house, [ALL_OTHERS, Rule("phone", "most_frequent")], said)
    assert won["ann", "phone"] == ("0888 123 456", "shop:r1")
    assert house.rows(
        "select lost_count, distinct_value_count from customer_attribute_sources where attribute = 'phone'"
    ) == [(2, 2)]


def test_what_a_steward_blocks_does_not_win(house: House) -> None:
    said = [
        Said("ann", "crm", "r1", "email", "Info@firm.example", True, 9),
        Said("ann", "mail", "r2", "email", "ann@a.example", False, 0),
    ]
    rules = [ALL_OTHERS]
    assert choose(house, rules, said)["ann", "email"][0] == "Info@firm.example"
    house.put("int_identity__overrides", [("block_value", "email", "info@firm.example")])
    try:
        assert choose(house, rules, said)["ann", "email"][0] == "ann@a.example"
        assert choose(house, rules, said[:1]) == {}
    finally:
        house.put("int_identity__overrides", [])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ALL_OTHERS, Rule("emial", "longest")], "emial: no such attribute"),
        ([ALL_OTHERS, Rule("email", "newest")], "email: no rule 'newest'; the rules are source_priority"),
        ([ALL_OTHERS, Rule("email", "longest", "shop clay")], "email: no source 'clay'"),
        ([ALL_OTHERS, Rule("email", "longest"), Rule("email", "most_recent")], "email: two rows"),
        ([Rule("email", "longest")], r"no row '\*'"),
        (
            [ALL_OTHERS, Rule("city", "longest", "", "address"), Rule("street", "most_recent", "", "address")],
            "street: goes together with 'address' but",
        ),
    ],
)
def test_a_row_that_cannot_be_meant_stops_the_build(house: House, rows: list[Rule], says: str) -> None:
    with pytest.raises(Stopped, match=f"seeds/survivorship.csv: .*{says}"):
        choose(house, rows, [])


def test_attributes_of_ones_own_have_rules_too(house: House) -> None:
    said = [Said("ann", "crm", "r1", "size", "xl", False, 0), Said("ann", "mail", "r2", "size", "s", False, 3)]
    assert choose(house, [ALL_OTHERS, Rule("size", "most_recent")], said)["ann", "size"][0] == "s"
