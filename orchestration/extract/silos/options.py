"""What the environment says of a database besides its address."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestration.extract.target import ExtractError

# the usual names of the column that says when a row changed last; the first that a table has is its cursor
CURSORS = (
    "updated_at", "modified_at", "modifiedtime", "updated", "modified", "last_modified", "last_modified_at",
    "lastmodified", "last_updated", "last_updated_at", "last_update", "write_date", "changed_at", "date_updated",
    "date_modified", "modified_on", "updated_on", "system_modstamp",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """`tables` and `cursors` are by raw table. `overlap` is how far before the cursor a run begins, in seconds (or, of
    a cursor that is a number, in units); `compare` is how often all keys are compared. `uses_log`: changes are taken
    from the database's log."""

    tables: Mapping[str, str]
    cursors: Mapping[str, str]
    overlap: float
    compare: timedelta
    uses_log: bool


def options(source: str, tables: Collection[str]) -> Options:
    """Read the environment. Raises `ExtractError` naming the variable, and what was expected."""
    prefix = f"KINSHIP_{source.upper()}_"
    return Options(
        _pairs(f"{prefix}TABLES", "the table that holds it, as table or schema.table", tables),
        _pairs(f"{prefix}CURSOR", "the column that says when a row changed", tables),
        _number(f"{prefix}OVERLAP", 600.0),
        timedelta(hours=_number(f"{prefix}COMPARE_HOURS", 24.0)),
        os.environ.get(f"{prefix}CDC", "").strip() in ("1", "true", "yes"),
    )


def _pairs(variable: str, what: str, tables: Collection[str]) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, (part.strip() for part in os.environ.get(variable, "").split(","))):
        table, is_pair, name = (part.strip() for part in pair.partition("="))
        if not is_pair or not name or table not in tables:
            raise ExtractError(
                f"{variable} has {pair!r}: expected <raw table>=<{what}>, with commas between; the raw tables are"
                f" {', '.join(tables)}"
            )
        pairs[table] = name
    return pairs


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "").strip()
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise ExtractError(f"{variable} is {text!r}: expected a number that is not negative")
    return number
