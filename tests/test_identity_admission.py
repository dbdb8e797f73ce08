"""Evidence is admitted strongest first: against a walk that looks at every cluster anew, one link after the other."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinship.identity import admission
from kinship.identity.admission import Aparts, Claims, Links, Refusal, admit

Pairs = list[tuple[int, int]]
Claim = tuple[int, str, int, int | None]
"""node, type, value, most"""
Admit = Callable[[Pairs, list[Claim], Pairs], list[Refusal]]


def refused(links: Pairs, claims: list[Claim] = [], aparts: Pairs = [], decided: int = 0) -> list[Refusal]:  # noqa: B006
    """`admit` over deterministic links, of which a steward has decided so many, the first ones."""
    types = sorted({kind for _, kind, _, _ in claims})
    ends, apart_ends = (np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (links, aparts))
    return admit(
        Links(
            ends[:, 0],
            ends[:, 1],
            np.zeros(len(links)),
            np.zeros(len(links), dtype=bool),
            np.arange(len(links)) < decided,
        ),
        Claims(
            np.array([node for node, _, _, _ in claims], dtype=np.int64),
            np.array([types.index(kind) for _, kind, _, _ in claims], dtype=np.int64),
            np.array([value for _, _, value, _ in claims], dtype=np.int64),
            np.array([-1 if most is None else most for _, _, _, most in claims], dtype=np.int64),
            types,
        ),
        Aparts(apart_ends[:, 0], apart_ends[:, 1]),
        1000,
    )


def oracle(links: Pairs, claims: list[Claim], aparts: Pairs, decided: int = 0) -> list[Refusal]:
    """The rule as it is written, at the price of looking through everything for every link."""
    cluster = {node: {node} for pair in [*links, *aparts] for node in pair}
    reasons = []
    for place, (left, right) in enumerate(links):
        one, two = cluster[left], cluster[right]
        reason = None
        if one is not two:
            together = one | two
            for kind in sorted({kind for _, kind, _, most in claims if most is not None}):
                values = [
                    {value for node, name, value, most in claims if name == kind and node in part and most is not None}
                    for part in (one, two, together)
                ]
                limits = [
                    most for node, name, _, most in claims if name == kind and node in together and most is not None
                ]
                if limits and place >= decided and len(values[2]) > max(min(limits), len(values[0]), len(values[1])):
                    reason = reason or f"limit:{kind}"
            if any(a != b and a in together and b in together for a, b in aparts):
                reason = "cannot_link"
            if reason is None:
                cluster.update(dict.fromkeys(together, together))
            else:
                reasons.append((place, reason))
    return reasons


def clusters(links: Pairs, refusals: list[Refusal]) -> dict[int, set[int]]:
    gone = {place for place, _ in refusals}
    cluster = {node: {node} for pair in links for node in pair}
    for place, (left, right) in enumerate(links):
        if place not in gone and cluster[left] is not cluster[right]:
            together = cluster[left] | cluster[right]
            cluster.update(dict.fromkeys(together, together))
    return cluster


nodes = st.integers(0, 11)
pairs = st.tuples(nodes, nodes)
scenes = st.tuples(
    st.lists(pairs, max_size=25),
    st.lists(
        st.tuples(
            nodes, st.sampled_from(["user_id", "loyalty", "email"]), st.integers(0, 4), st.sampled_from([1, 1, 2, None])
        ),
        max_size=14,
    ),
    st.lists(pairs, max_size=5),
    st.sampled_from([0, 0, 1, 3]),
)
Scene = tuple[Pairs, list[Claim], Pairs, int]


@settings(max_examples=500, deadline=None)
@given(scenes)
def test_the_walk_equals_the_rule_as_it_is_written(scene: Scene) -> None:
    assert refused(*scene) == oracle(*scene)


@settings(max_examples=200, deadline=None)
@given(scenes)
def test_cannot_link_is_always_honoured_and_limits_too(scene: Scene) -> None:
    links, claims, aparts, decided = scene
    refusals = refused(*scene)
    cluster = clusters(links, refusals)
    by_word = clusters(links[:decided], refusals)  # what a steward made one counts as one record
    for one, two in aparts:
        assert one == two or one not in cluster or two not in cluster[one]
    for part in cluster.values():
        for kind in {kind for _, kind, _, _ in claims}:
            held = [
                (node, value, most)
                for node, name, value, most in claims
                if name == kind and node in part and most is not None
            ]
            alone = max(
                (len({value for other, value, _ in held if other in by_word.get(node, {node})}) for node in part),
                default=0,
            )
            most = min((most for _, _, most in held), default=0)
            assert len({value for _, value, _ in held}) <= max(most, alone)


@settings(max_examples=100, deadline=None)
@given(scenes, scenes, st.integers(0, 1000))
def test_a_component_depends_on_nothing_but_itself(scene: Scene, other: Scene, seed: int) -> None:
    """Neither on other components in the call, nor on the numbers of nodes and values."""
    links, claims, aparts, _ = scene
    chance = random.Random(seed)
    names = chance.sample(range(10**9), 24)
    values = chance.sample(range(10**6), 5)
    mixed = sorted(
        [(place, 0) for place in range(len(links))] + [(place, 1) for place in range(len(other[0]))],
        key=lambda entry: (chance.random(), entry),
    )
    for which in (0, 1):  # each call's own order stays
        places = iter(sorted(place for place, whose in mixed if whose == which))
        mixed = [(next(places), whose) if whose == which else (place, whose) for place, whose in mixed]

    def named(pair: tuple[int, int], whose: int) -> tuple[int, int]:
        return names[pair[0] + 12 * whose], names[pair[1] + 12 * whose]

    together = refused(
        [named((links, other[0])[whose][place], whose) for place, whose in mixed],
        [
            (names[node + 12 * whose], kind, values[value], most)
            for whose in (0, 1)
            for node, kind, value, most in (claims, other[1])[whose]
        ],
        [named(pair, whose) for whose in (0, 1) for pair in (aparts, other[2])[whose]],
    )
    assert [(mixed[place][0], reason) for place, reason in together if mixed[place][1] == 0] == refused(
        links, claims, aparts
    )


def test_the_weaker_of_two_links_gives_way() -> None:
    claims: list[Claim] = [(1, "user_id", 7, 1), (3, "user_id", 8, 1)]
    assert refused([(1, 2), (2, 3)], claims) == [(1, "limit:user_id")]
    assert refused([(2, 3), (1, 2)], claims) == [(1, "limit:user_id")]


def test_a_stewards_word_stands_above_limits_and_below_a_cannot_link() -> None:
    claims: list[Claim] = [(1, "user_id", 7, 1), (2, "user_id", 8, 1), (3, "user_id", 8, 1), (4, "user_id", 9, 1)]
    assert refused([(1, 2), (2, 3), (3, 4)], claims, decided=1) == [(2, "limit:user_id")]
    assert refused([(1, 2)], claims, [(1, 2)], decided=1) == [(0, "cannot_link")]


def test_no_limit_no_refusal() -> None:
    assert refused([(1, 2), (2, 3)], [(1, "email", 7, None), (3, "email", 8, None)]) == []


def test_a_record_beyond_the_limit_stops_only_new_values() -> None:
    two: list[Claim] = [(1, "user_id", 7, 1), (1, "user_id", 8, 1)]
    assert refused([(1, 2)], two) == []
    assert refused([(1, 2)], [*two, (2, "user_id", 7, 1)]) == []
    assert refused([(1, 2), (1, 3)], [*two, (2, "user_id", 9, 1)]) == [(0, "limit:user_id")]


def test_two_records_are_not_brought_together_by_a_third_that_holds_both_values_at_a_stronger_level() -> None:
    claims: list[Claim] = [(1, "user_id", 7, 1), (2, "user_id", 8, 1), (3, "user_id", 7, 1), (3, "user_id", 8, 1)]
    assert refused([(1, 2), (1, 3), (2, 3)], claims) == [(0, "limit:user_id")]


def test_a_record_apart_from_itself_is_nonsense_and_ignored() -> None:
    assert refused([(1, 2)], [], [(1, 1), (2, 2), (5, 6)]) == []


def test_apart_sets_move_with_their_clusters() -> None:
    links = [(1, 2), (3, 4), (5, 6), (2, 3), (4, 5)]
    assert refused(links, [], [(1, 6)]) == [(4, "cannot_link")]
    assert refused(links, [], [(1, 6), (2, 4)]) == [(3, "cannot_link")]
    assert refused(links[::-1], [], [(6, 1), (4, 2)]) == oracle(links[::-1], [], [(6, 1), (4, 2)])


def test_components_without_a_violation_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    walk = admission._walk
    monkeypatch.setattr(admission, "_walk", lambda parts: walked.append(len(parts.places)) or walk(parts))
    claims: list[Claim] = [(1, "user_id", 7, 1), (2, "user_id", 7, 1), (11, "user_id", 7, 1), (12, "user_id", 8, 1)]
    assert refused([(1, 2), (11, 12), (1, 3)], claims) == [(1, "limit:user_id")]
    assert walked == [1]


def test_hygiene_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    hygiene = pytest.importorskip("kinship.identity.hygiene")
    seen = []

    def clean(left: object, right: object, weight: object, is_probabilistic: object, largest: int) -> object:
        seen.append(largest)
        return np.array([1, 0, 2, 0], dtype=np.int8)

    monkeypatch.setattr(hygiene, "clean", clean)
    links = Links(
        np.array([1, 2, 3, 5]),
        np.array([2, 3, 4, 6]),
        np.full(4, 9.0),
        np.array([True, False, True, True]),
        np.full(4, False),
    )
    nothing = np.array([], dtype=np.int64)
    claims = Claims(np.array([2, 3]), np.array([0, 0]), np.array([7, 8]), np.array([1, 1]), ["user_id"])
    assert admit(links, claims, Aparts(nothing, nothing), 50) == [
        (0, "unsupported"), (1, "limit:user_id"), (2, "recut"),
    ]  # fmt: skip
    assert seen == [50]
