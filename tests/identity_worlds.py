"""Random companies for the identity layer: what the sources say, and how it changes from batch to batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import networkx as nx
from hypothesis import strategies as st
from identity_house import POLICY, House, groups

RECORDS = tuple("abcdefgh")
VALUES = {"account_id": "12", "email": "xyz", "phone": "56", "cookie": "k"}
NAMES = (None, None, "ann", "bob", "cid")
# a must-link or cannot-link of two records, or a value blocked
Decision = tuple[str, Any, Any]


@dataclass(frozen=True)
class Row:
    """A record as its source has it."""

    identifiers: frozenset[tuple[str, str]]
    day: int = 0
    given_name: str | None = None
    says: str = "same"


@dataclass(frozen=True)
class Likeness:
    """Two records compared, when they said what `says` says."""

    left: str
    right: str
    bits: float
    says: str = "same"


@dataclass
class World:
    """All that the identity layer is told at one time. Decisions have the day they were taken on; None: it is over."""

    records: dict[str, Row] = field(default_factory=dict)
    likenesses: tuple[Likeness, ...] = ()
    decisions: tuple[tuple[Decision, int | None], ...] = ()

    def tell(self, house: House, order: Iterable[str] | None = None) -> None:
        """Put this, and nothing else, at the edge of a house; records in the order given."""
        house.empty()
        for record in order if order is not None else self.records:
            row = self.records[record]
            house.put(record, sorted(row.identifiers), row.day, given_name=row.given_name, says=row.says)
        for one in self.likenesses:
            house.alike(one.left, one.right, one.bits, one.says, one.says)
        for (action, left, right), day in self.decisions:
            decided = date(2026, 1, 1) + timedelta(days=day or 0)
            yesterday = date.today() - timedelta(days=1)
            house.override(action, left, right, decided.isoformat(), yesterday if day is None else None)

    def named(self, prefix: str) -> "World":
        """The same company with other names for its records and values."""

        def other(decision: Decision) -> Decision:
            action, left, right = decision
            if action == "block_value":
                return (action, (left[0], prefix + left[1]), None)
            return (action, prefix + left, prefix + right)

        return World(
            {
                prefix + record: replace(
                    row, identifiers=frozenset((kind, prefix + value) for kind, value in row.identifiers)
                )
                for record, row in self.records.items()
            },
            tuple(replace(one, left=prefix + one.left, right=prefix + one.right) for one in self.likenesses),
            tuple((other(decision), day) for decision, day in self.decisions),
        )

    def stands(self) -> dict[frozenset[str], str]:
        """The decision that holds for each pair of records: the latest, and of one day the one that keeps apart."""
        held: dict[frozenset[str], tuple[int, int, str]] = {}
        for (action, left, right), day in self.decisions:
            if action != "block_value" and day is not None:
                pair = frozenset((left, right))
                held[pair] = max(held.get(pair, (-1, 0, "")), (day, int(action == "cannot_link"), action))
        return {pair: action for pair, (_, _, action) in held.items() if pair <= self.records.keys()}

    def likely(self) -> list[Likeness]:
        """The likenesses of records that are there and say what they said."""
        return [
            one
            for one in self.likenesses
            if all(record in self.records and self.records[record].says == one.says for record in (one.left, one.right))
        ]


def rows(kinds: Iterable[str] = VALUES) -> st.SearchStrategy[Row]:
    """A record with identifiers of some types."""
    values = [(kind, value) for kind in kinds for value in VALUES[kind]]
    return st.builds(
        Row,
        st.frozensets(st.sampled_from(values), max_size=3),
        st.integers(0, 4).map(lambda n: n * 150),
        st.sampled_from([None] * 4 + ["ann", "ann", "bob"]),
        st.sampled_from(["same"] * 5 + ["other"]),
    )


pairs = st.tuples(st.sampled_from(RECORDS), st.sampled_from(RECORDS)).filter(lambda pair: pair[0] < pair[1])
_decided = st.one_of(
    st.tuples(st.sampled_from(["must_link", "cannot_link", "cannot_link"]), pairs).map(lambda d: (d[0], *d[1])),
    st.sampled_from([("block_value", ("email", "x"), None), ("block_value", ("phone", "5"), None)]),
)
decisions = st.lists(
    st.tuples(_decided, st.sampled_from([None, 1, 1, 2, 3])), max_size=4, unique_by=lambda one: (str(one[0]), one[1])
).map(tuple)
likenesses = st.lists(
    st.tuples(
        pairs, st.sampled_from([-1.0, 2.0, 6.0, 6.0, 9.0, 15.0, 22.0]), st.sampled_from(["same"] * 5 + ["other"])
    ),
    max_size=9,
    unique_by=lambda one: one[0],
).map(lambda found: tuple(Likeness(left, right, bits, says) for (left, right), bits, says in found))
worlds = st.builds(World, st.dictionaries(st.sampled_from(RECORDS), rows(), min_size=1), likenesses, decisions)


@st.composite
def _lives(draw: st.DrawFn, batches: int) -> list[World]:
    history = [draw(worlds)]
    while len(history) < batches:
        last = history[-1]
        records = dict(last.records)
        for record in draw(st.lists(st.sampled_from(RECORDS), max_size=3, unique=True)):
            new = draw(st.one_of(st.none(), rows(), rows()))
            if new is not None:
                records[record] = new
            elif len(records) > 1:
                records.pop(record, None)
        stays = draw(st.booleans())
        history.append(
            World(
                records,
                last.likenesses if stays else draw(likenesses),
                draw(st.one_of(st.just(last.decisions), decisions)),
            )
        )
    return history


@st.composite
def histories(draw: st.DrawFn, batches: int = 3, companies: int = 5) -> list[World]:
    """A world in several states: each changes some records of the one before, and now and then likenesses or decisions.

    A world is several small companies side by side, which share nothing: a build costs the same for one as for five.
    """
    count = draw(st.integers(2, batches))
    lives = draw(st.lists(_lives(count), min_size=1, max_size=companies))
    return [together(states) for states in zip(*lives, strict=True)]


def together(companies: Iterable[World]) -> World:
    """Several companies as one, in which nobody has anything in common with anybody of another."""
    named = [one.named(f"{number}.") for number, one in enumerate(companies)]
    return World(
        {record: row for one in named for record, row in one.records.items()},
        tuple(likeness for one in named for likeness in one.likenesses),
        tuple(decision for one in named for decision in one.decisions),
    )


def partitions(house: House) -> dict[str, set[frozenset[str]]]:
    """The partition at each level."""
    return {
        level: groups(dict(house.rows(f"select record_id, {level} from identity_levels")))
        for level in ("strict_group_id", "customer_id", "broad_group_id")
    }


def findings(house: House) -> dict[str, Any]:
    """What does not depend on history: partitions, quarantine, evidence and what became of it."""
    edges = house.rows(
        "select edge_id, least(left_record_id, right_record_id), greatest(left_record_id, right_record_id),"
        " rule, value_hash, tier, level, round(weight, 6), is_admitted, refusal, detail, first_seen_at, last_seen_at"
        " from identity_edges order by edge_id"
    )
    quarantine = house.rows("select * from identity_quarantine order by all")
    return {**partitions(house), "edges": edges, "quarantine": quarantine}


def check(house: House, world: World) -> None:
    """What holds in every state."""
    placed = house.rows("select record_id, customer_id from identity_graph")
    ids = dict(placed)
    assert sorted(record for record, _ in placed) == sorted(world.records), "each record has exactly one person"
    assert None not in ids.values()

    leads_to = house.current_ids()
    issued = {
        one for (one,) in house.rows("select customer_id from identity_assignments where customer_id is not null")
    }
    assert leads_to.keys() == issued, "every id ever issued is in the redirects, once"
    assert {one for one in leads_to.values() if one} <= set(ids.values()), "a redirect leads to somebody of today"
    assert all(leads_to[one] == one for one in ids.values()), "who is there is not led elsewhere"

    found = partitions(house)
    assert found["customer_id"] == groups(ids)
    for narrow, wide in (("strict_group_id", "customer_id"), ("customer_id", "broad_group_id")):
        assert all(any(part <= whole for whole in found[wide]) for part in found[narrow]), f"{narrow} within {wide}"

    broad = dict(house.rows("select record_id, broad_group_id from identity_levels"))
    for pair, action in world.stands().items():
        if action == "cannot_link":
            left, right = sorted(pair)
            assert broad[left] != broad[right], "records that a steward keeps apart"
    within_limits(house, world, broad)


def within_limits(house: House, world: World, people: Mapping[str, str]) -> None:
    """No person holds more values than allowed, but for what one record holds alone, or several by a steward's word."""
    word = nx.Graph(tuple(pair) for pair, action in world.stands().items() if action == "must_link")
    word.add_nodes_from(world.records)
    word.remove_edges_from([pair for pair in word.edges if people[pair[0]] != people[pair[1]]])
    one = {record: min(part) for part in nx.connected_components(word) for record in part}
    quarantined = set(house.rows("select identifier_type, identifier_value from identity_quarantine"))
    most = {kind: count for kind, _, _, _, count, *_ in POLICY if count is not None}
    for kind, allowed in most.items():
        held: dict[str, set[str]] = {}
        by_word: dict[str, set[str]] = {}
        for record, row in world.records.items():
            values = {value for name, value in row.identifiers - quarantined if name == kind}
            held.setdefault(people[record], set()).update(values)
            by_word.setdefault(one[record], set()).update(values)
        for person, values in held.items():
            alone = max(len(by_word[one[record]]) for record in world.records if people[record] == person)
            assert len(values) <= max(allowed, alone), f"too many of {kind}"


def connected(world: World) -> set[frozenset[str]]:
    """The oracle: records and values as one graph, with likenesses of 4 bits or more."""
    graph = nx.Graph()
    graph.add_nodes_from(world.records)
    for record, row in world.records.items():
        graph.add_edges_from((record, value) for value in row.identifiers)
    graph.add_edges_from((one.left, one.right) for one in world.likely() if one.bits >= 4)
    graph.add_edges_from(tuple(pair) for pair, action in world.stands().items() if action == "must_link")
    return {
        frozenset(part & world.records.keys())
        for part in map(set, nx.connected_components(graph))
        if part & world.records.keys()
    }


def random_lives(random: Random, batches: int) -> list[World]:
    """A life like those of `histories`, many a second, and without a bent for the small; nothing makes it smaller."""

    def some(counts: Sequence[int]) -> range:
        return range(random.choice(counts))

    def row() -> Row:
        values = [(kind, value) for kind in VALUES for value in VALUES[kind]]
        held = frozenset(random.sample(values, random.choice((0, 1, 1, 2, 2, 3))))
        name = random.choice((None, None, None, None, None, "ann", "ann", "bob"))
        return Row(held, 150 * random.randrange(5), name, random.choice(["same"] * 6 + ["other"]))

    def pair() -> list[str]:
        return sorted(random.sample(RECORDS, 2))

    def alike() -> tuple[Likeness, ...]:
        found: dict[tuple[str, str], Likeness] = {}
        for left, right in (pair() for _ in some((0, 0, 3, 8, 14))):
            says = random.choice(["same"] * 6 + ["other"])
            found[left, right] = Likeness(left, right, random.choice((-1.0, 2.0, 6.0, 6.0, 9.0, 15.0, 22.0)), says)
        return tuple(found.values())

    def decide() -> tuple[tuple[Decision, int | None], ...]:
        found: dict[str, tuple[Decision, int | None]] = {}
        for _ in some((0, 0, 1, 2, 4)):
            actions = ("must_link", "cannot_link", "cannot_link")
            blocked: list[Decision] = [("block_value", ("email", "x"), None), ("block_value", ("phone", "5"), None)]
            about: Decision = random.choice([(action, *pair()) for action in actions] + blocked)
            day = random.choice((None, 1, 1, 2, 3))
            found[f"{about} {day}"] = (about, day)
        return tuple(found.values())

    history = [World({name: row() for name in random.sample(RECORDS, random.randint(2, 8))}, alike(), decide())]
    while len(history) < batches:
        last = history[-1]
        records = dict(last.records)
        for name in random.sample(RECORDS, random.choice((0, 1, 1, 2, 3))):
            if name in records and len(records) > 1 and random.random() < 0.35:
                del records[name]
            else:
                records[name] = row()
        alikes = last.likenesses if random.random() < 0.6 else alike()
        history.append(World(records, alikes, last.decisions if random.random() < 0.6 else decide()))
    return history
