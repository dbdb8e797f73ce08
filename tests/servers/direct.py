"""A destination without the engine: what it answers to one batch."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from reverse_etl.destination import Batch, Destination, Operation, Outcome, Row, Target
from reverse_etl.pace import Meter


def target(kind: type[Destination], options: Mapping[str, Any] | None = None, **changes: Any) -> Target:
    """The target of a sync `sync_test`; `changes` are its fields."""
    values: dict[str, Any] = {
        "sync": "sync_test",
        "object": "",
        "key": "",
        "mode": sorted(kind.modes)[0],
        "on_null": "leave",
        "fields": (),
        "kinds": {},
        "channel": None,
        "options": kind.options_model.model_validate(options or {}),
        "state": Path("/nonexistent"),
        "meter": Meter(),
        "purpose": "marketing",
    }
    return Target(**{**values, **changes})


def batch(key: str, values: Sequence[Mapping[str, Any]], operation: Operation = Operation.ADD, **row: Any) -> Batch:
    """A batch of these rows; `row` are fields of every Row."""
    rows = [Row(str(value[key]).strip(), f"hash of {n}", f"c{n}", operation, **row) for n, value in enumerate(values)]
    table = None if operation is Operation.REMOVE else pa.Table.from_pylist([dict(value) for value in values])
    return Batch("0000000001-test", rows, table)


def answer(kind: type[Destination], goal: Target, sent: Batch) -> list[Outcome]:
    """The outcomes of one batch. Raises what the destination raises."""

    async def run() -> list[Outcome]:
        destination = kind(goal)
        try:
            call = destination.remove if sent.operation is Operation.REMOVE else destination.send
            return [outcome async for outcome in call(sent)]
        finally:
            await destination.close()

    return asyncio.run(run())
