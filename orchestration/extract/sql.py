"""Small pieces of DuckDB SQL."""

import re
from collections.abc import Iterable, Mapping

from kinship.sql import literal, quoted
from orchestration.extract.columns import column_name
from orchestration.extract.tables import Type


def paths(files: Iterable[str]) -> str:
    """A list of files for DuckDB's readers, in which a `*` or `[` of a file's name is no wildcard."""
    return "[" + ", ".join(literal(re.sub(r"([\[*?])", r"[\1]", file)) for file in files) + "]"


def member(record: str, key: str) -> str:
    """The text of one key of a JSON text; NULL for an absent key and for JSON's null."""
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    return f"json_extract_string({record}, {literal(pointer)})"


_IS_OF_TYPE: dict[Type, str] = {
    "text": "true",
    "integer": "regexp_full_match(trim({0}), '[+-]?[0-9]+') and try_cast({0} as hugeint) is not null",
    "number": "coalesce(isfinite(try_cast({0} as double)), false)",
    "date": "coalesce(isfinite(try_cast({0} as date)), false)",
    "timestamp": "coalesce(isfinite(try_cast({0} as timestamp)), false)",
}


def fault(required: Mapping[str, Type], value: Mapping[str, str] | None = None) -> str:
    """SQL for the reason why a record cannot be taken, NULL for a sound one.

    `value` gives the expression of each required column, by default the column itself.
    """
    cases = []
    for key, type_ in required.items():
        column = column_name(key)
        expression = value[column] if value else quoted(column)
        cases.append(
            f"when {expression} is null or trim({expression}) = '' "
            f"then {literal(f'the required field {key} is missing')}"
        )
        if type_ != "text":
            article = "an" if type_[0] in "aeiou" else "a"
            cases.append(
                f"when not ({_IS_OF_TYPE[type_].format(expression)}) "
                f"then {literal(f'the required field {key} is not {article} {type_}')}"
            )
    return f"case {' '.join(cases)} end" if cases else "cast(null as varchar)"
