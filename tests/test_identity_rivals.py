"""Weak likeness is weighed against its rivals before it joins: small components, whoever comes in whatever order."""

import math
from itertools import combinations
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identity_house import VARS, House
from identity_worlds import RECORDS, Likeness, Row, World, findings

STRICT, DEFAULT, BROAD = (VARS["identity_levels"][level] for level in ("strict", "default", "broad"))  # type: ignore[index]
# as before: whatever is likely by one in ten joins components
ALL_JOIN = {"int_identity__components": ("is_current and level < 3 as is_current", "is_current")}
NO_RIVALS = {"int_identity__links": ("coalesce(rivals.rival_bits, 0)", "0")}

weights = st.sampled_from([-2.0, 0.0, 1.5, 2.5, 3.0, 4.5, 6.0, 9.0, 15.0])
crowds = st.dictionaries(st.sampled_from(list(combinations(RECORDS, 2))), weights, min_size=3, max_size=24)


def few(test):
    """Few examples: each builds a warehouse or three."""
    return settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))(test)


def world_of(likely: dict[tuple[str, str], float], records: str | tuple[str, ...] = RECORDS) -> World:
    """Records that share nothing, as alike as said."""
    return World(
        {name: Row(frozenset()) for name in records},
        tuple(Likeness(*pair, bits) for pair, bits in likely.items() if set(pair) <= set(records)),
    )


def level_of(pair: tuple[str, str], likely: dict[tuple[str, str], float]) -> str:
    """The oracle: the level at which a likeness counts, by the sum over all other records at both ends."""

    def bits(one: str, two: str) -> float | None:
        return likely.get((min(one, two), max(one, two)))

    own = likely[pair]
    left = own
    if BROAD <= own < STRICT:
        for here, there in (pair, pair[::-1]):
            odds = 0.0
            for rival in set(RECORDS) - {here, there}:
                other, tie = bits(here, rival), bits(there, rival)
                if other is not None and other >= 0 and min(own, other) + (-5.0 if tie is None else tie) < 0:
                    odds += 2**other
            left = min(left, own - math.log2(1 + odds))
    if left < BROAD:
        return "none"
    return "strict" if own >= STRICT else "default" if own >= DEFAULT else "broad"


@few
@given(crowds)
def test_a_likeness_counts_when_it_is_likelier_than_all_its_rivals(likely):
    house = House()
    world_of(likely).tell(house)
    house.build()
    found = house.rows("select left_record_id, right_record_id, level, refusal from identity_edges")
    assert {(one, two): level for one, two, level, _ in found} == {pair: level_of(pair, likely) for pair in likely}
    for one, two, level, refusal in found:
        assert level != "none" or refusal == ("too_weak" if likely[one, two] < BROAD else "outmatched")


@few
@given(crowds, st.permutations(RECORDS), st.integers(1, 7), st.integers(0, 7))
def test_rivals_that_come_and_go_leave_what_a_build_of_all_gives(likely, order, first, gone):
    """Records arrive in two batches in any order, and one leaves: what was joined is parted, and joined again."""
    house = House()
    for records in (order[:first], order, [name for name in order if name != RECORDS[gone]]):
        world_of(likely, tuple(records)).tell(house, records)
        house.build()
        fresh = House()
        world_of(likely, tuple(sorted(records))).tell(fresh)
        fresh.build()
        assert findings(house) == findings(fresh)


def test_a_new_rival_parts_what_was_joined_and_touches_nobody_else():
    likely = {("a", "b"): 4.5, ("a", "c"): 4.5, ("f", "g"): 4.5}
    house = House()
    for records in ("abfg", "abcfg", "abfg"):
        world_of(likely, tuple(records)).tell(house)
        house.build()
        ids = house.ids()
        assert (ids["a"] == ids["b"], ids["f"] == ids["g"]) == ("c" not in records, True)
        if "c" in records:
            details = house.rows("select detail from identity_edges where refusal = 'outmatched' order by 1")
            assert details == [("tested, rivals -4.6",)] * 2
    solved = dict(
        house.rows(
            "select record_id, solved_in from int_identity__clusters inner join int_identity__nodes using (node_id)"
        )
    )
    assert solved["f"] == solved["g"] == 1, "looked at once"
    assert solved["a"] == 3


def dense(people: int, seed: int = 1) -> tuple[list[str], dict[tuple[str, str], float]]:
    """Two records a person, tied by 9 bits, in a town of namesakes: each is a little like four records of others."""
    random = Random(seed)
    likely: dict[tuple[str, str], float] = {}
    names = [f"{person:04}{half}" for person in range(people) for half in "ab"]
    for name in names:
        for other in random.sample(names, 4):
            if other[:4] != name[:4]:
                likely[min(name, other), max(name, other)] = random.choice((-2.0, 0.5, 1.0, 2.0, 2.5, 3.0, 3.5))
    for person in range(people):
        likely[f"{person:04}a", f"{person:04}b"] = 9.0
    return names, likely


@pytest.mark.parametrize(
    ("changes", "percolates"), [({}, False), (ALL_JOIN, True), (NO_RIVALS, True)], ids=["ours", "all join", "no rivals"]
)
def test_a_dense_town_does_not_become_one_component(changes, percolates):
    names, likely = dense(150)
    house = House(changes=changes)
    world_of(likely, tuple(names)).tell(house)
    house.build()
    largest, walked = house.rows(
        "select max(n), sum(n) from (select count(*) as n from int_identity__components group by component_id)"
    )[0]
    assert walked == len(names)
    assert largest > 100 if percolates else largest <= 8
    if not percolates:
        assert house.people() == {frozenset((f"{person:04}a", f"{person:04}b")) for person in range(150)}
