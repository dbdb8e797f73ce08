"""What it means for two values of a type to be alike: the levels of each comparison, best first.

`m` and `u` are the shares of pairs of one person, and of two people, that are expected to reach a level. They are
where training starts, and what counts where the data could not say (too few records, a level never seen).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinship.identity.matching.columns import has_names, others


@dataclass(frozen=True)
class Level:
    """One level of likeness: its condition over columns suffixed _l and _r, and its shipped m and u."""

    name: str
    condition: str
    m: float
    u: float
    frequency: str | None = None
    """The column whose term frequency weighs agreement: to share a rare name says more than to share a common one."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of one attribute; the last level is everything else."""

    name: str
    missing: str
    levels: tuple[Level, ...]
    m_else: float
    u_else: float


def _both(condition: str) -> str:
    """A condition that is written for one direction, in both."""
    turned = condition.replace("_l", "_\0").replace("_r", "_l").replace("_\0", "_r")
    return f"({condition}) or ({turned})"


# Both names, not one: a given name that is another's family name is met in every second village.
CROSSED = (
    "(given_l = family_r and jaro_winkler_similarity(given_r, family_l) >= 0.88)"
    " or (given_r = family_l and jaro_winkler_similarity(given_l, family_r) >= 0.88)"
)


def _given(columns: list[str]) -> Comparison:
    return Comparison(
        "given_name",
        "given_l is null or given_r is null",
        (
            Level("exact", "given_l = given_r", 0.65, 0.01, "given"),
            Level("nickname", "given_canonical_l = given_canonical_r", 0.08, 0.005, "given_canonical"),
            Level("crossed", CROSSED, 0.02, 0.001),
            Level("close", "jaro_winkler_similarity(given_l, given_r) >= 0.92", 0.09, 0.002),
            Level(
                "initial",
                _both("length(given_first_l) = 1 and given_initial_l = given_initial_r"),
                0.03,
                0.005,
            ),
            Level("similar", "jaro_winkler_similarity(given_first_l, given_first_r) >= 0.8", 0.05, 0.02),
        ),
        0.08,
        0.957,
    )


def _family(columns: list[str]) -> Comparison:
    parts = (
        "family_first_l = family_first_r or family_last_l = family_last_r"
        " or family_first_l = family_last_r or family_last_l = family_first_r"
    )
    return Comparison(
        "family_name",
        "family_l is null or family_r is null",
        (
            Level("exact", "family_l = family_r", 0.72, 0.002, "family"),
            Level("crossed", CROSSED, 0.02, 0.001),
            Level("close", "jaro_winkler_similarity(family_l, family_r) >= 0.92", 0.09, 0.002),
            Level("part", parts, 0.03, 0.002),
            Level("similar", "jaro_winkler_similarity(family_l, family_r) >= 0.82", 0.04, 0.01),
        ),
        0.1,
        0.983,
    )


def _extra(columns: list[str]) -> Comparison:
    return Comparison(
        "further_names",
        "extra_l is null or extra_r is null",
        (
            Level("exact", "extra_l = extra_r", 0.5, 0.01, "extra"),
            Level("part", "list_has_any(string_split(extra_l, ' '), string_split(extra_r, ' '))", 0.2, 0.05),
            Level("close", "jaro_winkler_similarity(extra_l, extra_r) >= 0.88", 0.05, 0.02),
        ),
        0.25,
        0.92,
    )


def _born(columns: list[str]) -> Comparison:
    turned = "born_year_l = born_year_r and born_month_l = born_day_r and born_day_l = born_month_r"
    two_parts = (
        "(born_year_l = born_year_r and (born_month_l = born_month_r or born_day_l = born_day_r))"
        " or (born_month_l = born_month_r and born_day_l = born_day_r)"
    )
    # the equalities come first: edit distances are slow, and an edit leaves the other parts of a date as they are
    one_edit = (
        "(born_year_l = born_year_r or right(born_l, 5) = right(born_r, 5))"
        " and damerau_levenshtein(born_l, born_r) <= 1"
    )
    two_edits = (
        "(born_year_l = born_year_r or born_month_l = born_month_r or born_day_l = born_day_r)"
        " and damerau_levenshtein(born_l, born_r) <= 2"
    )
    year_only = "born_year_l = born_year_r and (right(born_l, 5) = '01-01' or right(born_r, 5) = '01-01')"
    return Comparison(
        "birth_date",
        "born_l is null or born_r is null",
        (
            Level("exact", "born_l = born_r", 0.78, 0.00005, "born"),
            Level("day_and_month_swapped", turned, 0.02, 0.00002),
            Level("one_edit", one_edit, 0.08, 0.0008),
            Level("year_only", year_only, 0.005, 0.0008),
            Level("two_parts", two_parts, 0.03, 0.004),
            Level("two_edits", two_edits, 0.02, 0.01),
            Level("same_year", "born_year_l = born_year_r", 0.015, 0.012),
            Level("near_year", "abs(born_number_l - born_number_r) <= 2", 0.01, 0.05),
        ),
        0.04,
        0.92235,
    )


def _email(columns: list[str]) -> Comparison:
    missing = "email_l is null or email_r is null"
    if has_names(columns):
        # anna.berg12@ and anna.berg57@ are alike because two people have one name, which the names have said already
        missing += (
            " or (email_l <> email_r and mailbox_letters_l = mailbox_letters_r"
            " and given_l = given_r and family_l = family_r and contains(mailbox_letters_l, family_l))"
        )
    return Comparison(
        "email",
        missing,
        (
            Level("exact", "email_l = email_r", 0.6, 0.00001, "email"),
            Level("same_mailbox", "mailbox_l = mailbox_r", 0.05, 0.0002, "mailbox"),
            Level(
                "close",
                "email_domain_l = email_domain_r and jaro_winkler_similarity(mailbox_l, mailbox_r) >= 0.92",
                0.07,
                0.0001,
            ),
            Level("similar_mailbox", "jaro_winkler_similarity(mailbox_l, mailbox_r) >= 0.88", 0.06, 0.003),
        ),
        0.22,
        0.99669,
    )


def _phone(columns: list[str]) -> Comparison:
    return Comparison(
        "phone",
        "phone_l is null or phone_r is null",
        (
            Level("exact", "phone_l = phone_r", 0.6, 0.00002, "phone"),
            Level("same_tail", "phone_tail_l = phone_tail_r", 0.02, 0.00001),
            Level(
                "one_edit",
                "left(phone_l, 6) = left(phone_r, 6) and damerau_levenshtein(phone_l, phone_r) <= 1",
                0.06,
                0.0001,
            ),
        ),
        0.32,
        0.99987,
    )


def _street(columns: list[str]) -> Comparison:
    return Comparison(
        "street",
        "street_l is null or street_r is null",
        (
            Level("exact", "street_l = street_r", 0.55, 0.0001, "street"),
            Level("close", "jaro_winkler_similarity(street_sorted_l, street_sorted_r) >= 0.92", 0.15, 0.0005),
            Level(
                "same_number",
                "street_number_l = street_number_r and jaro_winkler_similarity(street_l, street_r) >= 0.75",
                0.05,
                0.002,
            ),
            Level("similar", "jaro_winkler_similarity(street_l, street_r) >= 0.85", 0.03, 0.01),
        ),
        0.22,
        0.9874,
    )


def _postcode(columns: list[str]) -> Comparison:
    return Comparison(
        "postcode",
        "zip_l is null or zip_r is null",
        (
            Level("exact", "zip_l = zip_r", 0.65, 0.001, "zip"),
            Level("same_sector", "zip_sector_l = zip_sector_r", 0.06, 0.003, "zip_sector"),
            Level(
                "one_edit",
                "(left(zip_l, 2) = left(zip_r, 2) or right(zip_l, 2) = right(zip_r, 2))"
                " and damerau_levenshtein(zip_l, zip_r) <= 1",
                0.05,
                0.003,
            ),
            Level("same_district", "zip_district_l = zip_district_r", 0.04, 0.01),
        ),
        0.2,
        0.983,
    )


def _city(columns: list[str]) -> Comparison:
    return Comparison(
        "city",
        "city_l is null or city_r is null",
        (
            Level("exact", "city_l = city_r", 0.7, 0.02, "city"),
            Level("close", "jaro_winkler_similarity(city_l, city_r) >= 0.9", 0.1, 0.01),
        ),
        0.2,
        0.97,
    )


def _country(columns: list[str]) -> Comparison:
    return Comparison(
        "country",
        "country_l is null or country_r is null",
        (Level("exact", "country_l = country_r", 0.95, 0.3, "country"),),
        0.05,
        0.7,
    )


def _national_id(columns: list[str]) -> Comparison:
    halves = "national_id_start_l = national_id_start_r or national_id_end_l = national_id_end_r"
    ends = "left(national_id_l, 2) = left(national_id_r, 2) or right(national_id_l, 2) = right(national_id_r, 2)"
    return Comparison(
        "national_id",
        "national_id_l is null or national_id_r is null",
        (
            Level("exact", "national_id_l = national_id_r", 0.9, 0.00001, "national_id"),
            Level("one_edit", f"({halves}) and damerau_levenshtein(national_id_l, national_id_r) <= 1", 0.05, 0.00005),
            Level("two_edits", f"({ends}) and damerau_levenshtein(national_id_l, national_id_r) <= 2", 0.02, 0.0005),
        ),
        0.03,
        0.99944,
    )


def _other(name: str) -> Comparison:
    words = f"list_has_any(string_split({name}_l, ' '), string_split({name}_r, ' '))"
    return Comparison(
        name,
        f"{name}_l is null or {name}_r is null",
        (
            Level("exact", f"{name}_l = {name}_r", 0.7, 0.05, name),
            Level("close", f"jaro_winkler_similarity({name}_l, {name}_r) >= 0.9", 0.07, 0.02),
            Level("part", words, 0.05, 0.03),
        ),
        0.18,
        0.9,
    )


def comparisons_for(columns: list[str]) -> list[Comparison]:
    """The comparisons that the columns allow, in a fixed order."""
    present = set(columns)
    chosen: list[Comparison] = []
    if present & {"given_name", "full_name"}:
        chosen.append(_given(columns))
    if present & {"family_name", "full_name"}:
        chosen.append(_family(columns))
    if "full_name" in present:
        chosen.append(_extra(columns))
    by_column = {
        "birth_date": _born,
        "email": _email,
        "phone": _phone,
        "street": _street,
        "postcode": _postcode,
        "city": _city,
        "country": _country,
        "national_id": _national_id,
    }
    chosen += [make(columns) for column, make in by_column.items() if column in present]
    chosen += [_other(name) for name in others(columns)]
    return chosen


def as_splink(comparison: Comparison) -> dict[str, Any]:
    """The comparison as Splink's settings write it, without term frequencies (they are added when training is
    done)."""
    levels: list[dict[str, Any]] = [
        {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    ]
    levels += [
        {
            "sql_condition": level.condition,
            "label_for_charts": level.name,
            "m_probability": level.m,
            "u_probability": level.u,
        }
        for level in comparison.levels
    ]
    levels.append(
        {
            "sql_condition": "ELSE",
            "label_for_charts": "different",
            "m_probability": comparison.m_else,
            "u_probability": comparison.u_else,
        }
    )
    return {"output_column_name": comparison.name, "comparison_levels": levels}
