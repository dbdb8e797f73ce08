"""How a source is declared: one function per table, saying which fields it needs and where its records come from."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol

import yaml

from kinship.settings import ROOT
from orchestration.extract.columns import column_name

if TYPE_CHECKING:
    from orchestration.extract.live.api import Api
    from orchestration.extract.live.feed import Feed

Type = Literal["text", "integer", "number", "date", "timestamp"]
ColumnType = Literal["text", "bigint", "bool", "timestamp"]

# of a record that says when another one, of the same id, was deleted in the system (orchestration/extract/live)
DELETED_AT = "_kinship_deleted_at"

# the two tables that every source has besides its own
QUARANTINE: Mapping[str, ColumnType] = {
    "file_id": "text",
    "file": "text",
    "line": "bigint",
    "table_name": "text",
    "reason": "text",
    "record": "text",
    "quarantined_at": "timestamp",
}
LEDGER: Mapping[str, ColumnType] = {
    "file_id": "text",
    "location": "text",
    "file": "text",
    "table_name": "text",
    "version": "bigint",
    "part": "bigint",
    "first_byte": "bigint",
    "bytes": "bigint",
    "first_line": "bigint",
    "line_breaks": "bigint",
    "rows": "bigint",
    "quarantined": "bigint",
    "sha256": "text",
    "modified_ns": "bigint",
    "extracted_at": "timestamp",
    "is_open": "bool",
    "is_current": "bool",
}


@dataclass(frozen=True)
class Landed:
    """One Parquet file of new records, all text, ready to be loaded."""

    path: str
    rows: int
    columns: tuple[str, ...]


Stream = Iterator[Landed]


class Records(Protocol):
    """What a table's function draws from: its source's files, those that its live API has just filled among them."""

    def files(self) -> Stream: ...


TableFunction = Callable[[Records], Stream]


@dataclass(frozen=True)
class Table:
    """One raw table: the keys its records have, as the source spells them.

    `required`: a record without one of these, or with a value not castable to its type, goes to quarantine.
    `optional`: keys that staging reads; their columns exist even when no record has carried them yet.
    `live`: how the source's API hands the table over, or several APIs; none where it has no such table.
    """

    name: str
    required: Mapping[str, Type]
    optional: tuple[str, ...]
    function: TableFunction
    description: str
    live: tuple[Feed, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the raw table has at least."""
        return (*(column_name(key) for key in self.keys), DELETED_AT, "_file_id")


@dataclass
class Source:
    """One system. Its tables are added by `@source.table(...)`.

    `api` is how to reach it live, where it can be. APIs that its tables name beside it are other ways to the same, of
    which one may be set; where there is no `api`, those that tables name add up.
    """

    name: str
    api: Api | None = None
    tables: dict[str, Table] = field(default_factory=dict)

    def table(
        self, *, required: Mapping[str, Type], optional: str = "", live: Feed | Sequence[Feed] = ()
    ) -> Callable[[TableFunction], TableFunction]:
        """Declare the decorated function to be a table of this source, named as the function."""

        def declare(function: TableFunction) -> TableFunction:
            name = function.__name__
            description = (function.__doc__ or "").strip()
            feeds = tuple(live) if isinstance(live, Sequence) else (live,)
            self.tables[name] = Table(name, dict(required), tuple(optional.split()), function, description, feeds)
            return function

        return declare


@cache
def sources() -> dict[str, Source]:
    """All sources by name, in the order of the list in `dbt_project.yml`.

    Raises `LookupError` for a listed source without its `orchestration/sources/<source>.py`.
    """
    listed = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["sources"]
    return {name: _load(name) for name in listed}


def _load(name: str) -> Source:
    module_name = f"orchestration.sources.{name}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise LookupError(
            f"dbt_project.yml lists the source {name!r}, but orchestration/sources/{name}.py does not exist: "
            "write it, or take the line out of the list"
        ) from error
    source: Source = module.source
    return source
