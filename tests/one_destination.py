"""A destination without the engine: to call what the engine seldom calls, and to see each outcome."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from reverse_etl.destination import (
    Batch,
    CheckResult,
    Destination,
    Found,
    Operation,
    OptOut,
    Outcome,
    Row,
    Target,
    destination_class,
)
from reverse_etl.pace import Meter

T = TypeVar("T")


class One:
    """Makes the destination anew for each call, as each run does."""

    def __init__(self, tool: str, object: str, key: str, fields: Sequence[str] = (), **more: Any) -> None:
        self.kind = destination_class(tool)
        self._options = self.kind.options_model.model_validate(more.pop("options", {}))
        self._about = {
            "sync": f"sync_{tool}__test",
            "object": object,
            "key": key,
            "mode": "upsert",
            "on_null": "leave",
            "fields": tuple(fields),
            "kinds": dict.fromkeys(fields, "VARCHAR"),
            "channel": None,
            "options": self._options,
            "state": Path(),
        } | more
        self.calls = 0

    def send(self, *records: tuple[Row, Mapping[str, Any]]) -> dict[str, Outcome]:
        """The outcome of each row, by key."""
        table = pa.Table.from_pylist([dict(values) for _, values in records])
        batch = Batch("1", [row for row, _ in records], table)
        return self._outcomes(lambda destination: destination.send(batch))

    def remove(self, *rows: Row) -> dict[str, Outcome]:
        return self._outcomes(lambda destination: destination.remove(Batch("1", list(rows))))

    def erase(self, *rows: Row) -> dict[str, Outcome]:
        return self._outcomes(lambda destination: destination.erase(Batch("1", list(rows))))

    def opt_outs(self, since: datetime | None = None) -> list[OptOut]:
        return self._all(lambda destination: destination.opt_outs(since))

    def read(self, *rows: Row) -> list[Found]:
        return self._all(lambda destination: destination.read(rows))

    def check(self) -> CheckResult:
        async def checked(destination: Destination) -> AsyncIterator[CheckResult]:
            yield await destination.check()

        return self._all(checked)[0]

    def _outcomes(self, call: Callable[[Destination], AsyncIterator[Outcome]]) -> dict[str, Outcome]:
        return {outcome.key: outcome for outcome in self._all(call)}

    def _all(self, call: Callable[[Destination], AsyncIterator[T]]) -> list[T]:
        async def collect() -> list[T]:
            meter = Meter(self.kind.limits(self._about["object"], self._options).under(self._options).rates)
            destination = self.kind(Target(**self._about, meter=meter))
            try:
                return [one async for one in call(destination)]
            finally:
                await destination.close()
                self.calls += meter.calls

        return asyncio.run(collect())


def row(key: str, operation: Operation = Operation.ADD, **more: Any) -> Row:
    return Row(key, "hash", "c1", operation, **more)


def rows(keys: Iterable[str], operation: Operation = Operation.ADD, **more: Any) -> list[Row]:
    return [row(key, operation, **more) for key in keys]
