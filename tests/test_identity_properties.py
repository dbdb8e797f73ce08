"""Whatever arrives in whatever order, people stay who they are; networkx and a build from nothing are the oracles."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from identity_house import ORDER, POLICY, House
from identity_worlds import (
    RECORDS,
    Row,
    World,
    check,
    connected,
    findings,
    histories,
    likenesses,
    pairs,
    random_lives,
    rows,
    together,
    worlds,
)

FREE = tuple((kind, tier, "strict", bits, None, None, None) for kind, tier, _, bits, *_ in POLICY)
IN_YEARS = date.today() + timedelta(days=3650)

Property = Callable[..., None]


def tried(examples: int, much_longer: int) -> Callable[[Property], Property]:
    """A property tried on a few examples in every run (a build takes a tenth of a second), on many in the slow ones."""

    def both(test: Property) -> Property:
        def limited(count: int) -> Property:
            # making a failure smaller may take five minutes: only where there is time
            phases = [phase for phase in Phase if phase is not Phase.shrink or count > examples]
            return settings(
                max_examples=count,
                deadline=None,
                print_blob=True,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            )(test)

        @pytest.mark.parametrize("amount", ["few", pytest.param("many", marks=pytest.mark.slow)])
        def run(amount: str) -> None:
            limited(examples if amount == "few" else much_longer)()

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return both


def built(world: World, policy: object = POLICY) -> House:
    """The house of a world, built once."""
    house = House(policy)  # type: ignore[arg-type]
    world.tell(house)
    house.build()
    return house


# Every state of a history, by every way to it


@tried(6, 400)
@given(histories())
def test_step_by_step_is_as_in_one_go(history: list[World]) -> None:
    house = House()
    for world in history:
        world.tell(house)
        house.build()
        check(house, world)
    assert findings(house) == findings(built(history[-1]))


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 60))])
def test_step_by_step_is_as_in_one_go_for_many_companies_side_by_side(seed: int) -> None:
    """Forty small companies in four states each, in one warehouse: nothing that one does touches another."""
    random = Random(seed)
    lives = [random_lives(random, 4) for _ in range(40)]
    house = House()
    for states in zip(*lives, strict=True):
        world = together(states)
        world.tell(house)
        house.build()
        check(house, world)
    assert findings(house) == findings(built(world))


@tried(6, 200)
@given(worlds)
def test_building_again_changes_nothing(world: World) -> None:
    house = built(world)
    before = [house.rows(f"from {table} order by all") for table in ("identity_assignments", "identity_events")]
    found, ids = findings(house), house.ids()
    house.build()
    assert [house.rows(f"from {table} order by all") for table in ("identity_assignments", "identity_events")] == before
    assert (findings(house), house.ids()) == (found, ids)


@tried(8, 300)
@given(histories(batches=2), st.randoms(use_true_random=False), st.integers(1, 8))
def test_order_of_rows_and_of_arrival_change_nothing(history: list[World], random: Random, first: int) -> None:
    world = history[0]
    order = list(world.records)
    random.shuffle(order)
    other = House()
    # the records get their numbers in another order, some of them in another batch
    World({record: world.records[record] for record in order[:first]}).tell(other)
    other.build(until="int_identity__nodes")
    world.tell(other, order)
    other.build()
    house = built(world)
    assert findings(other) == findings(house)
    assert other.ids() == house.ids()


@tried(6, 200)
@given(histories(batches=2), st.sampled_from(ORDER))
def test_a_run_that_died_is_made_good_by_the_next(history: list[World], died_after: str) -> None:
    dead, alive = House(), House()
    for house in (dead, alive):
        for world in history[:-1]:
            world.tell(house)
            house.build()
        history[-1].tell(house)
    dead.build(until=died_after)
    for house in (dead, alive):
        house.build()
    assert findings(dead) == findings(alive)
    assert dead.ids() == alive.ids()
    events = "select event_type, customer_id, other_customer_id, record_count from identity_events order by all"
    assert dead.rows(events) == alive.rows(events)


# Oracles


no_rules = st.builds(
    World,
    st.dictionaries(st.sampled_from(RECORDS), rows(), min_size=1),
    # so sure that no hygiene looks at them
    likenesses.map(lambda found: tuple(replace(one, bits=30.0) for one in found)),
    st.lists(pairs, max_size=2, unique=True).map(lambda found: tuple((("must_link", *one), 1) for one in found)),
)


@tried(10, 300)
@given(st.lists(no_rules, min_size=1, max_size=5).map(together))
def test_without_limits_people_are_the_components_of_the_graph_of_shared_values(world: World) -> None:
    world = World({name: without_names(row) for name, row in world.records.items()}, world.likenesses, world.decisions)
    house = built(world, FREE)
    assert house.people() == connected(world)


@tried(8, 300)
@given(st.lists(st.lists(rows(), min_size=1, max_size=4), min_size=2, max_size=4))
def test_records_that_arrive_as_time_goes_get_the_ids_of_one_build_of_all(batches: list[list[Row]]) -> None:
    house, world = House(FREE), World()
    for batch in batches:
        for row in batch:
            number = len(world.records)
            world.records[f"r{number:02}"] = without_names(row, day=number)
        world.tell(house)
        house.build()
    assert house.ids() == built(world, FREE).ids()


def without_names(row: Row, day: int | None = None) -> Row:
    """A row that no name convicts a value with."""
    return replace(row, given_name=None, day=row.day if day is None else day)


# Merges and splits


def two_people(house: House, sizes: tuple[int, ...], days: tuple[int, ...]) -> list[list[str]]:
    """People of some records each, who share an address of their own; their records' names in order of time."""
    people = []
    for person, (size, day) in enumerate(zip(sizes, days, strict=True)):
        names = [f"{'abc'[person]}{number}" for number in range(size)]
        for number, name in enumerate(names):
            house.put(name, {"email": f"own{person}"}, day + number)
        people.append(names)
    return people


sizes = st.tuples(*[st.integers(1, 3)] * 3)
days = st.permutations([0, 10, 20]).map(tuple)


@tried(8, 200)
@given(sizes, days, st.sampled_from(["must_link", "email"]), st.booleans(), st.integers(2, 3), st.booleans())
@example((1, 1, 1), (10, 0, 20), "email", True, 2, False)
def test_a_merge_undone_restores_the_old_ids(
    sizes: tuple[int, ...], days: tuple[int, ...], how: str, more_join: bool, count: int, one_by_one: bool
) -> None:
    house = House(FREE)
    people = two_people(house, sizes[:count], days[:count])
    house.build()
    before = house.ids()
    bridges = [(one[0], other[0]) for one, other in pairwise(people)]
    merge(house, bridges, how)
    merged = house.ids()
    oldest = people[min(range(count), key=days.__getitem__)][0]
    assert set(merged.values()) == {before[oldest]}, "the oldest id wins"
    assert set(house.current_ids().values()) == {before[oldest]}

    joined = {}
    if more_join:
        for person, names in enumerate(people):
            house.put(f"late{person}", {"email": f"own{person}"}, 40)
            joined[f"late{person}"] = before[names[0]]
        house.build()
        assert set(house.ids().values()) == {before[oldest]}
    if one_by_one and count == 3:
        undo(house, bridges[:1], how)
        assert len(house.people()) == 2
        assert set(house.ids().values()) <= set(before.values())
        bridges = bridges[1:]
    undo(house, bridges, how)
    assert house.ids() == before | joined
    assert all(new == old for old, new in house.current_ids().items())


def merge(house: House, bridges: list[tuple[str, str]], how: str) -> None:
    """Make one of the owners of each pair of records."""
    for number, pair in enumerate(bridges):
        if how == "must_link":
            house.override("must_link", *pair)
        else:
            for record in pair:
                house.connection.execute(
                    "insert into int_identity__identifiers"
                    " select source, record_id, 'email', ?, first_seen_at, last_seen_at"
                    " from int_identity__identifiers where record_id = ? limit 1",
                    [f"shared{number}:{pair}", record],
                )
    house.build()


def undo(house: House, bridges: list[tuple[str, str]], how: str) -> None:
    """Take away what `merge` put there."""
    for left, right in bridges:
        if how == "must_link":
            house.connection.execute(
                "delete from identity_overrides where left_record_id = ? and right_record_id = ?", [left, right]
            )
        else:
            house.connection.execute(
                "delete from int_identity__identifiers where identifier_value like ?", [f"shared%:{(left, right)}"]
            )
    house.build()


@tried(6, 100)
@given(sizes, days)
def test_of_a_real_split_the_largest_part_keeps_the_id(sizes: tuple[int, ...], days: tuple[int, ...]) -> None:
    house = House(FREE)
    people = two_people(house, sizes[:2], days[:2])
    house.override("must_link", people[0][0], people[1][0])
    house.build()  # one from the beginning
    (one_id,) = set(house.ids().values())
    house.withdraw()
    house.build()
    keeps, leaves = sorted(people, key=lambda names: (-len(names), days[people.index(names)]))
    ids = house.ids()
    assert {ids[name] for name in keeps} == {one_id}
    assert len({ids[name] for name in leaves}) == 1
    assert ids[leaves[0]] != one_id
    assert house.rows(
        "select event_type, customer_id, other_customer_id from identity_events order by assigned_in"
    ) == [
        ("created", one_id, None),
        ("split", ids[leaves[0]], one_id),
    ]
    # and together again
    house.override("must_link", people[1][0], people[0][0])
    house.build()
    assert len(set(house.ids().values())) == 1
    assert house.current_ids().keys() == {one_id, ids[leaves[0]]}
    assert set(house.current_ids().values()) == set(house.ids().values())


def test_older_data_that_arrives_late_renames_nobody() -> None:
    house = House()
    house.put("young", {"email": "x"}, day=10)
    house.build()
    before = house.ids()["young"]
    house.put("old", {"email": "x"}, day=0)
    house.build()
    assert house.ids() == {"young": before, "old": before}
    assert built(World({"young": row(10), "old": row(0)})).ids()["young"] != before, "all at once it is the older one's"


def row(day: int, **identifiers: str) -> Row:
    """A record with one identifier of each type."""
    return Row(frozenset((identifiers or {"email": "x"}).items()), day)


def test_an_id_merged_away_leads_to_its_person_after_its_own_record_is_gone() -> None:
    house = House()
    house.put("duplicate", {"email": "x"}, day=1)
    house.put("original", {"email": "y"}, day=0)
    house.build()
    before = house.ids()
    house.override("must_link", "duplicate", "original")
    house.build()
    house.drop("duplicate")
    house.build()
    assert house.current_ids() == {before["duplicate"]: before["original"], before["original"]: before["original"]}


def test_whoever_comes_back_is_who_they_were() -> None:
    house = House()
    house.put("a", {"email": "x"})
    house.put("b", {"email": "y"})
    house.build()
    before = house.ids()
    house.drop("a")
    house.build()
    assert house.current_ids()[before["a"]] is None, "nobody is left of that person"
    house.put("a", {"email": "new"}, day=9)
    house.build()
    assert house.ids() == before
    assert house.current_ids()[before["a"]] == before["a"]


# Decisions and quarantine


def test_a_value_released_and_blocked_again_returns_to_the_same_state() -> None:
    house = House(FREE)
    for number in range(4):
        house.put(f"r{number}", {"email": "desk"}, number)
    house.override("block_value", ("email", "desk"))
    house.build()
    apart, blocked = house.ids(), findings(house)
    house.withdraw()
    house.build()
    together_, released = house.ids(), findings(house)
    assert (len(set(apart.values())), len(set(together_.values()))) == (4, 1)
    for _ in range(2):
        house.override("block_value", ("email", "desk"))
        house.build()
        assert (house.ids(), findings(house)) == (apart, blocked)
        house.withdraw()
        house.build()
        assert (house.ids(), findings(house)) == (together_, released)


@pytest.mark.parametrize(("expires", "holds"), [(None, True), (IN_YEARS, True), (date.today(), True), (-1, False)])
def test_a_decision_holds_up_to_its_last_day(expires: date | int | None, holds: bool) -> None:
    until = date.today() + timedelta(days=expires) if isinstance(expires, int) else expires
    house = House()
    for name, value in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", "p"), ("f", "q")):
        house.put(name, {"email": value})
    house.override("cannot_link", "a", "b", expires=until)
    house.override("block_value", ("email", "y"), expires=until)
    house.override("must_link", "e", "f", expires=until)
    house.build()
    ids = house.ids()
    assert (ids["a"] != ids["b"], ids["c"] != ids["d"], ids["e"] == ids["f"]) == (holds,) * 3


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("last", "people"), [("must_link", 1), ("cannot_link", 2)])
def test_of_two_contradicting_decisions_the_later_holds(last: str, people: int, turned: bool) -> None:
    first = "must_link" if last == "cannot_link" else "cannot_link"
    house = House()
    house.put("a", {"email": "x"})
    house.put("b", {"email": "y"})
    house.override(last, "a", "b", day="2026-02-02")
    house.override(first, *("ba" if turned else "ab"), day="2026-02-01")
    house.build()
    assert len(house.people()) == people


@pytest.mark.parametrize("kind", ["email", "phone", "account_id"])
def test_a_merge_that_was_undone_stays_undone_when_more_evidence_arrives(kind: str) -> None:
    house = House(FREE)
    house.put("a", {"email": "x"})
    house.put("b", {"email": "x"})
    house.build()
    assert len(house.people()) == 1
    house.override("cannot_link", "a", "b")
    house.build()
    assert len(house.people()) == 2
    house.put("c", {"email": "x", kind: "x"}, day=5)
    house.put("d", {"email": "x", kind: "x"}, day=1)
    for name in "ab":
        house.drop(name)
        house.put(name, {"email": "x", kind: "x"})
    house.alike("a", "b", 99.0)
    house.build()
    ids = house.ids()
    assert ids["a"] != ids["b"]
    assert house.rows("select count(*) from identity_edges where refusal = 'cannot_link'") != [(0,)]
