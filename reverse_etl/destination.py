"""What a destination is: one file in `destinations/` with one subclass of `Destination`.

The engine keeps the hard parts (diff, consent, guards, batches, pace, retries, claims, bisecting, ledger); a
destination only says yes or no to rows.
"""

import importlib
import pkgutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from reverse_etl import destinations
from reverse_etl.errors import ConfigurationError

Mode = Literal["upsert", "update", "create", "mirror"]


class Operation(StrEnum):
    """What a due row needs, in the order in which the engine sends."""

    REMOVE = "remove"
    CHANGE = "change"
    ADD = "add"


class Options(BaseModel):
    """Options every destination takes; a destination's own model extends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_second: float | None = Field(default=None, gt=0)
    requests_per_day: int | None = Field(default=None, gt=0)
    batch_size: int | None = Field(default=None, gt=0)


class Meter:
    """Counts calls and keeps them to `per_second` (None: as fast as they go)."""

    def __init__(self, per_second: float | None) -> None:
        self.calls = 0
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0

    def call(self) -> None:
        """Wait for the next free slot and count one call."""
        now = time.monotonic()
        if self._interval and now < self._next:
            time.sleep(self._next - now)
            now = self._next
        self._next = now + self._interval
        self.calls += 1


@dataclass(frozen=True)
class Target:
    """Where one sync goes: what a destination needs to know about it."""

    sync: str
    object: str
    key: str
    mode: Mode
    on_null: Literal["clear", "leave"]
    fields: tuple[str, ...]
    options: Mapping[str, Any]
    state: Path
    meter: Meter


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the destination said to one row.

    accepted: it is so over there now. rejected: this payload will not be taken (`error_class` says why).
    gone: the record behind `destination_id` is not there any more.
    """

    key: str
    status: Literal["accepted", "rejected", "gone"]
    destination_id: str | None = None
    error_class: str | None = None


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
    them again.
    """

    options_model: ClassVar[type[Options]] = Options
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "update", "create", "mirror"})
    batch_size: ClassVar[int] = 1000
    requests_per_second: ClassVar[float | None] = None
    can_look_up: ClassVar[bool] = False
    """Whether `lookup` works: a key without an id is then looked up before it is sent."""
    folds_case: ClassVar[bool] = False
    """Whether the destination takes two keys that differ in case only for the same."""
    settle_seconds: float = 0.0
    """How long a call of unknown effect may still be running over there."""

    def __init__(self, target: Target) -> None:
        """Read credentials from the environment; make no call. Raises NotConfigured or ConfigurationError."""
        self.target = target

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        """The SQL that renders a column (already quoted) of DuckDB type `kind` as the destination wants it."""
        return column

    @classmethod
    def estimate_calls(cls, batch_size: int, adds: int, changes: int, removals: int) -> int:
        """Calls needed for so many rows, without a repeated one."""
        return sum(-(-rows // batch_size) for rows in (adds, changes, removals))

    @abstractmethod
    def check(self) -> CheckResult:
        """Reach the destination with as few calls as possible."""

    def prepare(self) -> None:  # noqa: B027 - not every destination has to
        """Before the first row of a run: does the object have our fields? Raises ConfigurationError."""

    @abstractmethod
    def send(self, batch: Batch) -> Iterable[Outcome]:
        """Create (no `destination_id`) or change the rows."""

    @abstractmethod
    def remove(self, batch: Batch) -> Iterable[Outcome]:
        """Take back what this sync put there."""

    def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The ids at the destination of every key that is there."""
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027
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
