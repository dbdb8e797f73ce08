# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""Which pairs are looked at: keys by type, rules of one to three keys, and the choice among them by measured
numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from kinship.identity.matching.columns import others


@dataclass(frozen=True)
class Key:
    """Something two records may share. Keys of one attribute are never combined with each other."""

    name: str
    attribute: str
    expression: str
    is_weak: bool = False
    """Too coarse for anything but the third part of a rule."""


@dataclass
class Rule:
    """Pairs that share all of its keys are compared, but for values that too many records have (`stopped`)."""

    keys: tuple[str, ...]
    comparisons: int = 0
    """Pairs this rule alone gives on the training data."""
    found: float = 0.0
    """Share of the expected matches that this rule alone finds."""
    added: float = 0.0
    """Share of the expected matches that no rule before it finds."""
    stopped: list[str] = field(default_factory=list)
    """Digests of the values that are too common to be compared."""

    @property
    def name(self) -> str:
        return " + ".join(self.keys)


def keys_for(columns: list[str]) -> list[Key]:
    """The keys that the columns allow, in a fixed order."""
    present = set(columns)
    keys: list[Key] = []
    if present & {"given_name", "full_name"}:
        keys += [
            Key("given name", "given", "given"),
            Key("given name's sound", "given", "given_skeleton"),
            Key("given name's start", "given", "left(given, 3)"),
            Key("initial", "given", "given_initial", is_weak=True),
        ]
        if "given_name_canonical" in present:
            keys.append(Key("nickname's name", "given", "given_canonical"))
    if present & {"family_name", "full_name"}:
        keys += [
            Key("family name", "family", "family"),
            Key("family name's sound", "family", "family_skeleton"),
            Key("family name's start", "family", "left(family, 4)"),
            Key("family name's first letters", "family", "left(family, 2)", is_weak=True),
        ]
    if present & {"given_name", "full_name"} and present & {"family_name", "full_name"}:
        keys.append(Key("both names in any order", "given family", "both_names"))
    if "full_name" in present:
        keys.append(Key("further names", "extra", "extra"))
    if "birth_date" in present:
        in_order = "born_year || least(born_month, born_day) || greatest(born_month, born_day)"
        keys += [
            Key("birth date", "born", "born"),
            Key("birth date, day and month in any order", "born", in_order),
            Key("birth year and month", "born", "left(born, 7)"),
            Key("birth year and day", "born", "born_year || born_day"),
            Key("birthday", "born", "nullif(substr(born, 6), '01-01')"),
            Key("birth year", "born", "born_year", is_weak=True),
        ]
    if "email" in present:
        keys += [
            Key("e-mail", "email", "email"),
            Key("mailbox", "email", "mailbox"),
            Key("mailbox's letters", "email", "case when length(mailbox_letters) > 3 then mailbox_letters end"),
        ]
    if "phone" in present:
        keys += [Key("phone", "phone", "phone"), Key("phone's last digits", "phone", "phone_tail")]
    if "street" in present:
        keys += [Key("street", "street", "street_sorted"), Key("house number", "street", "street_number", is_weak=True)]
    if "postcode" in present:
        keys += [
            Key("postcode", "zip", "zip"),
            Key("postcode's sector", "zip", "zip_sector"),
            Key("postcode's district", "zip", "zip_district", is_weak=True),
        ]
    if "city" in present:
        keys.append(Key("city", "city", "city", is_weak=True))
    if "national_id" in present:
        keys += [
            Key("national id", "national_id", "national_id"),
            Key("national id's first half", "national_id", "national_id_start"),
            Key("national id's second half", "national_id", "national_id_end"),
        ]
    keys += [Key(name, name, name, is_weak=True) for name in others(columns)]
    return keys


def _compatible(keys: tuple[Key, ...]) -> bool:
    attributes = [part for key in keys for part in key.attribute.split()]
    return len(set(attributes)) == len(attributes)


def create_keys(opened: duckdb.DuckDBPyConnection, keys: list[Key], source: str = "prepared") -> None:
    """Table `keys`: one row per record, the value of each key as k0, k1, ..."""
    values = "".join(f", nullif(({key.expression})::varchar, '') as k{place}" for place, key in enumerate(keys))
    opened.execute(f"create or replace table keys as select node_id{values} from {source}")


def digest_of(places: list[int], alias: str = "") -> str:
    """An expression over `keys`: 16 hexadecimal digits of the values of some of them."""
    values = ", ".join(f"{alias}k{place}" for place in places)
    return f"left(md5(concat_ws(chr(31), {values})), 16)"


def keyed_by(places: list[int]) -> str:
    """A condition over `keys`: some of them are all there."""
    return " and ".join(f"k{place} is not null" for place in places)


MOST_STOPPED = 0.2
"""A rule is no rule when more than this share of its records have values that are too common for it."""


@dataclass(frozen=True)
class Cost:
    """What a rule costs: pairs in blocks of at most the largest size, and the share of its records in larger
    blocks."""

    pairs: float
    share_stopped: float
    keyed: int
    block: int
    """Records that share the most common value."""

    def is_affordable(self, budget: float) -> bool:
        return 0 < self.pairs <= budget and self.share_stopped <= MOST_STOPPED


@dataclass(frozen=True)
class Option:
    """A rule that can be afforded: the places of its keys, its pairs, and whether some of its values are too
    common."""

    places: tuple[int, ...]
    pairs: float
    has_stopped: bool


def _cost(opened: duckdb.DuckDBPyConnection, places: list[int], table: str, scale: float, largest: int) -> Cost:
    columns = ", ".join(f"k{place}" for place in places)
    row = opened.execute(
        f"""
        select
            coalesce(sum(n * (n - 1) / 2) filter (n <= {largest}), 0)::double,
            coalesce(sum(n) filter (n > {largest}), 0)::double,
            coalesce(sum(n), 0)::double,
            coalesce(max(n), 0)::double
        from (select count(*)::bigint as n from {table} where {keyed_by(places)} group by {columns})
        """
    ).fetchone()
    pairs, stopped, keyed, block = row or (0.0, 0.0, 0.0, 0.0)
    return Cost(pairs * scale * scale, stopped / keyed if keyed else 0.0, round(keyed * scale), round(block * scale))


def candidates(
    opened: duckdb.DuckDBPyConnection, keys: list[Key], records: int, largest: int, budget: float
) -> list[Option]:
    """Rules that can be afforded. A pair of keys that costs too much gets a third."""
    sample = min(1.0, 100_000 / max(records, 1))
    table = "keys"
    if sample < 1.0:
        opened.execute(
            "create or replace table some_keys as select * from keys"
            f" where hash(node_id) % 1000000 < {round(sample * 1e6)}"
        )
        table = "some_keys"
    limit = max(3, round(largest * sample))

    def cost(places: tuple[int, ...]) -> Cost:
        return _cost(opened, list(places), table, 1 / sample, limit)

    seen: dict[tuple[int, ...], Cost] = {}
    too_coarse: list[tuple[int, ...]] = []
    for size in (1, 2):
        for places in combinations(range(len(keys)), size):
            chosen = tuple(keys[place] for place in places)
            if not _compatible(chosen) or (size == 1 and chosen[0].is_weak):
                continue
            seen[places] = cost(places)
            if size == 2 and not seen[places].is_affordable(budget) and seen[places].keyed > 1:
                too_coarse.append(places)
    thirds = {
        tuple(sorted((*places, third)))
        for places in too_coarse
        for third, key in enumerate(keys)
        if third not in places and key.is_weak
    }
    for triple in sorted(thirds):
        pairs = list(combinations(triple, 2))
        # a pair of its keys that can be had for less finds all that the three find
        if _compatible(tuple(keys[place] for place in triple)) and not any(
            pair in seen and seen[pair].is_affordable(budget) for pair in pairs
        ):
            seen[triple] = cost(triple)
    return [
        Option(places, found.pairs, found.block > largest)
        for places, found in sorted(seen.items(), key=lambda each: (len(each[0]), each[0]))
        if found.is_affordable(budget)
    ]


def pairs_sql(places: list[int], seeds: str, stopped: str | None) -> str:
    """Pairs (left_id < right_id) that share all the keys, at least one of them in table `seeds`."""
    same = " and ".join(f"one.k{place} = two.k{place}" for place in places)
    apart = "one.node_id < two.node_id" if seeds == "keys" else "one.node_id <> two.node_id"
    allowed = f" and {digest_of(places, 'one.')} not in (select digest from {stopped})" if stopped else ""
    return (
        "select least(one.node_id, two.node_id) as left_id, greatest(one.node_id, two.node_id) as right_id"
        f" from {seeds} as one join keys as two on {same} and {apart}{allowed}"
    )


def stopped_values(opened: duckdb.DuckDBPyConnection, places: list[int], largest: int) -> list[str]:
    """Digests of the values that more than `largest` records share, sorted."""
    columns = ", ".join(f"k{place}" for place in places)
    rows = opened.execute(
        f"select {digest_of(places)} from keys where {keyed_by(places)}"
        f" group by {columns} having count(*) > {largest} order by 1"
    ).fetchall()
    return [row[0] for row in rows]


LEAST_GAIN = 0.0005
"""Share of the expected matches that a rule must add."""


def choose(
    costs: npt.NDArray[np.float64],
    reached: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    budget: float,
    records: int,
) -> list[tuple[int, float, float]]:
    """Rules in the order of what they add for what they cost, until the budget is spent or nothing is left to add.

    `reached[rule, pair]` says which rule finds which pair, `weight[pair]` how much of a match the pair is expected to
    be. Returns (rule, share of the matches it finds alone, share it adds).
    """
    total = float(weight.sum())
    if total == 0:
        return []
    left = np.ones(len(weight), dtype=bool)
    spent = 0.0
    chosen: list[tuple[int, float, float]] = []
    free = set(range(len(costs)))
    while free:
        order = sorted(free)
        gains = reached[order][:, left] @ weight[left]
        # every rule costs a pass over the records, however few pairs it gives
        ratio = np.where(gains >= LEAST_GAIN * total, gains / (costs[order] + records), -1.0)
        best = int(np.argmax(ratio))
        if ratio[best] < 0:
            break
        rule, gain = order[best], float(gains[best])
        free.discard(rule)
        if spent + costs[rule] > budget:
            continue
        spent += costs[rule]
        chosen.append((rule, float(reached[rule] @ weight) / total, gain / total))
        left &= ~reached[rule]
    return chosen


def coverage(model_rules: list[Rule]) -> list[dict[str, Any]]:
    """The rules as they were chosen: keys, pairs, share of expected matches found alone, and added to the rules
    before."""
    return [
        {
            "rule": rule.name,
            "comparisons": rule.comparisons,
            "found": rule.found,
            "added": rule.added,
            "stopped_values": len(rule.stopped),
        }
        for rule in model_rules
    ]
