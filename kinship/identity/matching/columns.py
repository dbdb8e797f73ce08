# ruff: noqa: S608 - the names in these queries come from this package, never from data
"""The attributes that matching knows, by type, and the working table it derives from them.

Nothing here knows a data set: a column is treated by its type alone. The derived columns are functions of one record,
so what a pair scores never depends on who else is in the table.
"""

from __future__ import annotations

import re

import duckdb

TYPES = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "city",
    "postcode",
    "country",
    "national_id",
    "other",
)
"""The types of attribute; `other` may come several times, as other_1 .. other_n."""

_OTHER = re.compile(r"other_\d+")


def is_attribute(name: str) -> bool:
    """Whether a column of the records is an attribute that matching compares."""
    return name in TYPES or name == "given_name_canonical" or bool(_OTHER.fullmatch(name))


def usable_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The attributes that can tell people apart: filled in at least two records and not the same everywhere. Sorted
    by name."""
    names = sorted(name for name in connection.table(table).columns if is_attribute(name))
    if not names:
        return []
    tests = ", ".join(f"count(distinct nullif(trim({name}::varchar), '')) > 1" for name in names)
    row = connection.execute(f"select {tests} from {table}").fetchone()
    return [name for name, keeps in zip(names, row or (), strict=False) if keeps]


def others(columns: list[str]) -> list[str]:
    """The columns of type `other`, in their order."""
    return sorted((name for name in columns if name.startswith("other_")), key=lambda name: int(name[6:]))


def has_names(columns: list[str]) -> bool:
    """Whether there are both given and family names."""
    return "full_name" in columns or {"given_name", "family_name"} <= set(columns)


def _skeleton(column: str) -> str:
    """A name without its vowels and doubled letters: what most typing errors and spellings of one name share."""
    folded = f"replace(replace(replace(replace({column}, 'ph', 'f'), 'ck', 'k'), 'th', 't'), 'y', 'i')"
    consonants = f"regexp_replace(substr({folded}, 2), '[aeiouhw '']', '', 'g')"
    return f"left({folded}, 1) || regexp_replace({consonants}, '(bb|cc|dd|ff|gg|kk|ll|mm|nn|pp|rr|ss|tt|zz)', '', 'g')"


def prepared_sql(columns: list[str], source: str, available: list[str]) -> str:
    """The query that derives the working columns. One row per record of `source`, in the order of node_id.

    `columns` are those that the model knows, `available` those that the source has: what is not there is NULL.
    """
    present = set(columns) & set(available)

    def text(name: str) -> str:
        return f"nullif(trim({name}::varchar), '')" if name in present else "null::varchar"

    raw = ",\n    ".join(
        f"{text(name)} as {name}" for name in [*TYPES[:-1], "given_name_canonical", *others(columns)] if name != "other"
    )
    other_list = "".join(f",\n    {name}" for name in others(columns))
    return f"""
with raw as (
select
    node_id::bigint as node_id,
    {raw}
from {source}
),

named as (
select
    *,
    string_split(full_name, ' ') as full_tokens,
    coalesce(given_name, case when contains(full_name, ' ') then string_split(full_name, ' ')[1] end) as given,
    coalesce(family_name, string_split(full_name, ' ')[-1]) as family,
    nullif(regexp_replace(postcode, '[^0-9a-z]', '', 'g'), '') as zip,
    string_split(coalesce(street, ''), ' ') as street_tokens
from raw
)

select
    node_id,
    given,
    string_split(given, ' ')[1] as given_first,
    coalesce(given_name_canonical, string_split(given, ' ')[1]) as given_canonical,
    left(given, 1) as given_initial,
    {_skeleton("string_split(given, ' ')[1]")} as given_skeleton,
    family,
    {_skeleton("family")} as family_skeleton,
    string_split(family, ' ')[1] as family_first,
    string_split(family, ' ')[-1] as family_last,
    case
        when given is not null and family is not null then least(given, family) || ' ' || greatest(given, family)
    end as both_names,
    nullif(array_to_string(list_sort(list_distinct(list_filter(
        full_tokens,
        lambda token: not list_contains(string_split(coalesce(given, '') || ' ' || coalesce(family, ''), ' '), token)
    ))), ' '), '') as extra,
    birth_date as born,
    left(birth_date, 4) as born_year,
    substr(birth_date, 6, 2) as born_month,
    substr(birth_date, 9, 2) as born_day,
    try_cast(left(birth_date, 4) as integer) as born_number,
    email,
    split_part(email, '@', 1) as mailbox,
    split_part(email, '@', 2) as email_domain,
    nullif(regexp_replace(split_part(email, '@', 1), '[^a-z]', '', 'g'), '') as mailbox_letters,
    phone,
    right(phone, 7) as phone_tail,
    street,
    list_filter(street_tokens, lambda token: regexp_matches(token, '[0-9]'))[1] as street_number,
    nullif(array_to_string(list_sort(list_distinct(street_tokens)), ' '), '') as street_sorted,
    city,
    left(city, 4) as city_start,
    zip,
    case when length(zip) > 3 then left(zip, length(zip) - 2) end as zip_sector,
    case when length(zip) > 3 then left(zip, length(zip) - 3) end as zip_district,
    country,
    national_id,
    left(national_id, length(national_id) // 2) as national_id_start,
    substr(national_id, length(national_id) // 2 + 1) as national_id_end{other_list}
from named
order by node_id
"""
