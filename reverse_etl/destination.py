"""What a destination is: one file in `destinations/` with one subclass of `Destination`.

The engine keeps the hard parts (diff, consent, guards, batches, pace, retries, claims, bisecting, ledger); a
destination only says yes or no to rows.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pyarrow as pa

from reverse_etl import destinations
from reverse_etl.errors import ConfigurationError
from reverse_etl.limits import Limits, Options
from reverse_etl.pace import Meter

Mode = Literal["upsert", "update", "create", "mirror"]


Cost = Literal["calls", "messages", "data_points", "records"]
"""What a tool's bill counts, beside its fixed fee."""


class Operation(StrEnum):
    """What a due row needs, in the order in which the engine sends."""

    ERASE = "erase"
    """The person asked to be forgotten: delete for good, whoever made the record."""
    REMOVE = "remove"
    CHANGE = "change"
    ADD = "add"


@dataclass(frozen=True)
class Target:
    """Where one sync goes: what a destination needs to know about it."""

    sync: str
    object: str
    key: str
    mode: Mode
    on_null: Literal["clear", "leave"]
    fields: tuple[str, ...]
    """The columns that are sent, the key among them."""
    kinds: Mapping[str, str]
    """DuckDB's type of each field, before it is rendered."""
    channel: str | None
    options: Any
    """The sync's options: an instance of the destination's `options_model`."""
    state: Path
    meter: Meter
    purpose: str = ""
    """What everybody who is sent has consented to."""


@dataclass(slots=True)
class Row:
    """One due row. `destination_id` is known when the destination told it before or a look-up found it."""

    key: str
    payload_hash: str | None
    customer_id: str | None
    operation: Operation
    destination_id: str | None = None
    created_by_us: bool = False
    moved_from: str | None = None
    """The key this record was accepted under until now: the person's key changed, the record stays."""
    supersedes: str | None = None
    """The key of another record of the same person, which the next run takes back."""
    merge_into: str | None = None
    """On a removal, where the tool can merge: the destination's id (or else the key) of the record of the same person
    that stays; this one is to be merged into it."""
    unsettled_since: datetime | None = None
    """When a call was made for this row whose effect nobody knows (UTC, no zone): it may have been taken, or be on its
    way still. None: there is none. For destinations that send messages and look for this very one before they repeat
    it; `lookup` knows keys only."""


@dataclass(slots=True)
class Batch:
    """Rows of one operation. `table` holds the rendered fields, row by row; None for removals.

    `id` is the same when the same rows are sent again after a crash.
    """

    id: str
    rows: list[Row]
    table: pa.Table | None = None

    @property
    def operation(self) -> Operation:
        return self.rows[0].operation

    def records(self) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Each row with its fields as a dictionary (empty for removals)."""
        values = self.table.to_pylist() if self.table is not None else [{} for _ in self.rows]
        return zip(self.rows, values, strict=True)

    def take(self, positions: Sequence[int]) -> "Batch":
        """The rows at `positions`, under the same id."""
        rows = [self.rows[position] for position in positions]
        return Batch(
            self.id, rows, self.table.take(pa.array(positions, pa.int64())) if self.table is not None else None
        )


class Outcome(NamedTuple):
    """What the destination said to one row.

    accepted: it is so over there now. rejected: this payload will not be taken (`error_class` says why).
    gone: the record behind `destination_id` is not there any more.
    On a removal that was merged, `destination_id` is the id that the record that stays has now.
    """

    key: str
    status: Literal["accepted", "rejected", "gone"]
    destination_id: str | None = None
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A record as the destination holds it: of our fields, those it gave back, as they would be rendered."""

    key: str
    destination_id: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OptOut:
    """Somebody who unsubscribed at the destination. `channel` is `email`, `sms` or `phone`; `at` is UTC, no zone."""

    key: str
    channel: str
    at: datetime


@dataclass(frozen=True)
class CheckResult:
    """The answer of `kinship check`: can we reach the destination with what is configured?"""

    destination: str
    status: Literal["ok", "not_configured", "failed"]
    message: str
    details: Mapping[str, str] = field(default_factory=dict)


class Destination(ABC):
    """One tool. Facts about it are class variables; `send` and `remove` yield an outcome per row, in any order.

    They may raise `Retryable`, `RateLimited`, `Rejected` or `AuthenticationError` at any point: rows that have no
    outcome yet are then of unknown state, and the engine looks them up (where the destination can) before it sends
    them again. An instance lives in one event loop; with `limits(...).concurrency` above one, several batches are in
    `send` at the same time. A library that blocks goes through `asyncio.to_thread`.
    """

    options_model: ClassVar[type[Options]] = Options
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "update", "create", "mirror"})
    cost: ClassVar[Cost] = "calls"
    channels: ClassVar[frozenset[str]] = frozenset()
    """The channels one of which a sync must name: a tool that sends messages asks for consent to that channel. Empty: a
    sync may do without."""
    can_look_up: ClassVar[bool] = False
    """Whether `lookup` works: a key without an id is then looked up before it is sent."""
    can_read: ClassVar[bool] = False
    """Whether `read` works: `kinship drift` compares what it gives with what was accepted."""
    has_opt_outs: ClassVar[bool] = False
    """Whether `opt_outs` works: unsubscribes over there come back as consent events."""
    can_merge: ClassVar[bool] = False
    """Whether `remove` merges a row that has `merge_into`."""
    folds_case: ClassVar[bool] = False
    """Whether the destination takes two keys that differ in case only for the same."""
    takes_rows_about_nobody: ClassVar[bool] = False
    """Whether its rows may be about nobody, and read by colleagues: a sync may then have the purpose `none`."""
    settle_seconds: float = 0.0
    """How long a call of unknown effect may still be running over there."""

    def __init__(self, target: Target) -> None:
        """Read credentials from the environment; make no call. Raises NotConfigured or ConfigurationError."""
        self.target = target

    @classmethod
    def objection(cls, object: str, key: str, mode: Mode, channel: str | None, options: Any) -> str | None:
        """What the tool cannot do of what a sync's block asks for, as far as it is known without credentials; the
        message names the key and what is allowed. Asked whenever the manifest is read."""
        return None

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        """What the tool allows for this object, before the options that every destination takes."""
        return Limits()

    @classmethod
    def ignores_case(cls, key: str) -> bool:
        """Whether two values of the column `key` that differ in case only are the same key; default: `folds_case`."""
        return cls.folds_case

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        """The SQL that renders a column (already quoted) of DuckDB type `kind` as the destination wants it."""
        return column

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        """Calls needed for so many rows, without a repeated one; `limits` are already under the sync's options."""
        return -(-adds // limits.rows) - (-changes // limits.rows) - (-removals // (limits.removal_rows or limits.rows))

    @abstractmethod
    async def check(self) -> CheckResult:
        """Reach the destination with as few calls as possible; say in one line what is wrong and how to mend it."""

    async def prepare(self) -> None:  # noqa: B027 - not every destination has to
        """Before the first row of a run: does the object have our fields? Raises ConfigurationError."""

    @abstractmethod
    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Create (no `destination_id`) or change the rows."""

    @abstractmethod
    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Take back what this sync put there."""

    def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Delete for good, whoever made the record; default: as a removal."""
        return self.remove(batch)

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The ids at the destination of every key that is there."""
        raise NotImplementedError

    def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        """What the destination holds of these rows now; a row that is not there is left out."""
        raise NotImplementedError

    def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        """Who unsubscribed since then (UTC, no zone; None: ever), as far as the destination tells."""
        raise NotImplementedError

    async def close(self) -> None:  # noqa: B027
        """Let go of connections."""


@cache
def destination_names() -> tuple[str, ...]:
    """The destinations that exist: the files in `destinations/`."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(destinations.__path__)))


@cache
def destination_class(name: str) -> type[Destination]:
    """The class in `destinations/<name>.py`. Raises ConfigurationError naming those that exist."""
    if name not in destination_names():
        raise ConfigurationError(f"destination {name!r} does not exist; there are: {', '.join(destination_names())}")
    module = importlib.import_module(f"{destinations.__name__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Destination) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ConfigurationError(f"{module.__file__} must define exactly one Destination, it defines {len(found)}")
    return found[0]
