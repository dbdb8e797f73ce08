# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""What people share who are not one person: a home, a family name, an employer, a switchboard.

Fellegi and Sunter's model multiplies the evidence of its comparisons as if strangers agreed on each independently.
Relatives agree on family name, street and postcode together, colleagues on employer, phone and city; taken as
independent, that proves them one person. How often strangers agree on several attributes together is counted here,
and the excess is taken off as a comparison of its own.

Strangers are told by a witness that people who live together rarely share: the given name, or else the birth date.
Among the pairs of one pattern of agreement, of which `total` pairs have a witness and `differing` differ in it, U =
(differing - m x total) / (u - m) are pairs of two people, where m and u are the chances to differ for one person and
for two.
"""

from __future__ import annotations

import math
import re
from typing import Any

import duckdb

from kinship.identity.matching.comparisons import Comparison

NAME = "surroundings"

FEWEST_PAIRS = 15.0
"""A pattern seen less often among strangers is left alone."""

LEAST_EXCESS = 2.0
MOST_PATTERNS = 20


def of_records(condition: str) -> str:
    """A condition over columns suffixed _l and _r, as one over the records l and r."""
    return re.sub(r"\b([a-z_0-9]+)_([lr])\b", r"\2.\1", condition)


def differs(comparison: Comparison, reached: tuple[str, ...] = ()) -> str:
    """A condition that is true when both values are there and reach no level (but those named), NULL when one is
    missing."""
    levels = " or ".join(f"({level.condition})" for level in comparison.levels if level.name not in reached)
    return f"case when not coalesce({comparison.missing}, false) then not coalesce({levels}, false) end"


def witness(comparisons: list[Comparison]) -> tuple[Comparison, str] | None:
    """The comparison that tells strangers who share their surroundings, and its condition."""
    by_name = {each.name: each for each in comparisons}
    if "given_name" in by_name:
        return by_name["given_name"], differs(by_name["given_name"])
    if "birth_date" in by_name:
        return by_name["birth_date"], differs(by_name["birth_date"], ("near_year", "same_year"))
    if "family_name" in by_name:
        return by_name["family_name"], differs(by_name["family_name"])
    return None


def _near(comparison: Comparison) -> tuple[str, ...]:
    return ("exact",) if comparison.name in ("email", "phone", "birth_date") else ("exact", "close")


def chances(comparison: Comparison, settings: dict[str, Any]) -> tuple[float, float]:
    """How often the witness differs for one person, and for two."""
    told = ("different", "near_year", "same_year") if comparison.name == "birth_date" else ("different",)
    written = next(each for each in settings["comparisons"] if each["output_column_name"] == comparison.name)
    levels = [level for level in written["comparison_levels"][1:] if level["label_for_charts"] in told]
    return sum(level["m_probability"] for level in levels), sum(level["u_probability"] for level in levels)


def agrees(comparison: Comparison) -> str:
    """A condition for full or nearly full agreement."""
    near = [level.condition for level in comparison.levels if level.name in _near(comparison)]
    return " or ".join(f"({condition})" for condition in near)


def shared(comparisons: list[Comparison]) -> list[Comparison]:
    """What strangers may share: everything but the witness and ids."""
    found = witness(comparisons)
    left_out = {"national_id", "country", "further_names", found[0].name if found else ""}
    return [each for each in comparisons if each.name not in left_out]


def measure(
    opened: duckdb.DuckDBPyConnection,
    comparisons: list[Comparison],
    settings: dict[str, Any],
    pairs: str,
    trials: float,
) -> dict[str, Any] | None:
    """The comparison to add to the settings, or None when strangers share nothing to speak of.

    `pairs` is a table of left_id, right_id that holds the pairs with several agreements out of `trials` pairs at
    random.
    """
    found = witness(comparisons)
    candidates = shared(comparisons)
    if found is None or found[0].name == "family_name" or len(candidates) < 2:
        return None
    by_name = {each["output_column_name"]: each for each in settings["comparisons"]}
    m_differs, u_differs = chances(found[0], settings)
    if u_differs - m_differs < 0.3:
        return None
    chance = {}
    for each in candidates:
        row = opened.execute(
            f"select avg((not ({each.missing.split(' or ')[0].replace('_l is null', ' is null')}))::int) from prepared"
        ).fetchone()
        filled = float(row[0]) if row else 0.0
        near = [
            level["u_probability"]
            for level in by_name[each.name]["comparison_levels"][1:]
            if level["label_for_charts"] in _near(each)
        ]
        chance[each.name] = sum(near) * filled * filled
    candidates = [each for each in candidates if 0 < chance[each.name] < 0.15]
    if len(candidates) < 2:
        return None
    flags = ", ".join(
        f"coalesce({of_records(agrees(each))}, false) as f{place}" for place, each in enumerate(candidates)
    )
    names = [f"f{place}" for place in range(len(candidates))]
    # what the model takes for the chance of the agreement: the frequency of the value, or the level's u where values
    # differ
    taken = " + ".join(
        f"case when f{place} then log2(case when l.{attribute} = r.{attribute}"
        f" then greatest(l.tf_{attribute}, r.tf_{attribute})"
        f" else {chance[each.name]!r} end) else {math.log2(1 - chance[each.name])!r} end"
        for place, each in enumerate(candidates)
        for attribute in [each.levels[0].frequency]
    )
    rows = opened.execute(
        f"""
        select
            {", ".join(names)},
            count(*),
            count(differing),
            count(*) filter (differing),
            avg(taken) filter (differing)
        from (
            select *, {taken} as taken
            from (
                select {flags}, {of_records(found[1])} as differing, l, r
                from {pairs} as pairs
                join prepared as l on l.node_id = left_id
                join prepared as r on r.node_id = right_id
            )
        )
        group by {", ".join(names)}
        """
    ).fetchall()
    patterns: dict[frozenset[str], float] = {}
    taken_for: dict[frozenset[str], float] = {}
    for row in rows:
        agreed = frozenset(each.name for each, flag in zip(candidates, row, strict=False) if flag)
        every, witnessed, differing, bits = row[len(candidates) :]
        if len(agreed) >= 2 and differing:
            strangers = (differing - m_differs * witnessed) / (u_differs - m_differs) * every / witnessed
            patterns[agreed] = min(max(strangers, 0.0), float(every))
            taken_for[agreed] = trials * 2.0 ** float(bits)

    def independent(agreed: frozenset[str]) -> float:
        return taken_for[agreed]

    kept = sorted(
        (
            agreed
            for agreed, strangers in patterns.items()
            if strangers >= FEWEST_PAIRS and strangers >= LEAST_EXCESS * independent(agreed)
        ),
        key=lambda agreed: (-patterns[agreed], sorted(agreed)),
    )[:MOST_PATTERNS]
    kept.sort(key=lambda agreed: (-len(agreed), sorted(agreed)))
    if not kept:
        return None
    seen = dict.fromkeys(kept, 0.0)
    expected = dict.fromkeys(kept, 0.0)
    for agreed, strangers in patterns.items():
        level = next((level for level in kept if level <= agreed), None)
        if level is not None:
            seen[level] += strangers
            expected[level] += independent(agreed)
    conditions = {each.name: agrees(each) for each in candidates}
    levels = [
        {
            "sql_condition": " and ".join(f"({conditions[name]})" for name in sorted(agreed)),
            "label_for_charts": " and ".join(sorted(agreed)),
            "m_probability": float(f"{0.5 * min(1.0, expected[agreed] / seen[agreed]):.6g}"),
            "u_probability": 0.5,
        }
        for agreed in kept
    ]
    return {
        "output_column_name": NAME,
        "comparison_levels": [
            {"sql_condition": "1 = 0", "label_for_charts": "missing", "is_null_level": True},
            *levels,
            {"sql_condition": "ELSE", "label_for_charts": "nothing", "m_probability": 0.5, "u_probability": 0.5},
        ],
    }
