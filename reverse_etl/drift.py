"""Does the destination still hold what it accepted? Reads rows back and compares them with what is rendered now.

Only rows whose payload is the accepted one are looked at: what differs there was changed over there, or was answered
as a success and never written.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb

from kinship.settings import Settings
from reverse_etl.batches import Batches
from reverse_etl.config import Sync
from reverse_etl.delivery import Patience
from reverse_etl.destination import Batch, Destination, Found, Operation
from reverse_etl.engine import Progress, target_of
from reverse_etl.errors import ConfigurationError
from reverse_etl.ledger import Ledger, open_ledger
from reverse_etl.pace import Meter
from reverse_etl.payloads import Payloads
from reverse_etl.sending import patiently
from reverse_etl.warehouse import attached, one_row

SAMPLES = 10
"""Keys shown of each kind, as SHA-256."""


@dataclass
class Drift:
    """What was found: counts, field names and hashes of keys, never a value."""

    sync: str
    destination: str
    accepted: int = 0
    """Rows in the ledger."""
    checked: int = 0
    """Rows read back. Rows that are due anyway are not."""
    missing: int = 0
    """Rows that are not over there."""
    different: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    """Rows that differ, by field."""
    samples: dict[str, list[str]] = field(default_factory=dict)
    """SHA-256 of some keys, by `missing` and `different`; the same as in `reverse_etl.sync_results`."""
    made_due: int = 0
    """Drifted rows that the next run sends again."""
    calls: int = 0
    seconds: float = 0.0

    @property
    def drifted(self) -> int:
        """Rows that are not over there as they were accepted."""
        return self.missing + self.different

    def as_json(self) -> dict[str, Any]:
        """The stable shape of `kinship drift --json`."""
        return asdict(self)


def drift(
    sync: Sync,
    settings: Settings,
    sample: int | None = None,
    *,
    repair: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
) -> Drift:
    """Read accepted rows back: all of them, or a random `sample` of so many.

    `repair` makes the drifted rows due again; the next run sends them. Raises ConfigurationError where the destination
    cannot be read (NotConfigured, AuthenticationError among them), LockedError, and Retryable when it stops answering.
    """
    if not sync.destination_class.can_read:
        raise ConfigurationError(f"{sync.destination} cannot be read back: there is no drift check for {sync.name}")
    started = time.monotonic()
    with open_ledger(settings.ledger / f"{sync.name}.duckdb", write=repair) as connection:
        check = _Check(sync, settings, connection, patience or Patience(), on_progress)
        result = check.run(sample)
        if repair and check.drifted:
            result.made_due = Ledger(connection, "", sync.name).clear(check.drifted)
    result.seconds = time.monotonic() - started
    return result


class _Check:
    def __init__(
        self,
        sync: Sync,
        settings: Settings,
        connection: duckdb.DuckDBPyConnection,
        patience: Patience,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.drifted: list[str] = []
        self._sync = sync
        self._settings = settings
        self._connection = connection
        self._patience = patience
        self._on_progress = on_progress
        self._payloads = Payloads(connection, sync, settings.warehouse, patience.warehouse_wait)
        self._result = Drift(sync.name, sync.destination)
        self._fields: Counter[str] = Counter()

    def run(self, sample: int | None) -> Drift:
        result = self._result
        (result.accepted,) = one_row(self._connection, "select count(*) from accepted")
        with attached(self._connection, self._settings.warehouse, write=False) as catalog:
            kinds = self._payloads.line_up_accepted(catalog, sample)
        meter = Meter(self._sync.limits.rates)
        destination = self._sync.destination_class(target_of(self._sync, self._settings, kinds, meter))
        asyncio.run(self._read_all(destination, meter))
        result.fields = dict(sorted(self._fields.items()))
        result.calls = meter.calls
        return result

    async def _read_all(self, destination: Destination, meter: Meter) -> None:
        started = time.monotonic()
        batches = Batches(
            self._sync.name, Operation.CHANGE, self._sync.limits, self._payloads.windows(Operation.CHANGE),
            lambda: 0, lambda batch: None,
        )  # fmt: skip
        try:
            while (batch := await batches.take()) is not None:
                rows = batch.rows

                async def read() -> dict[str, Found]:
                    return {found.key: found async for found in destination.read(rows)}  # noqa: B023 - called at once

                self._compare(batch, await patiently(read, self._patience, meter))
                if self._on_progress is not None:
                    self._on_progress(
                        Progress(
                            self._sync.name, self._result.checked, self._payloads.total, meter.calls,
                            time.monotonic() - started,
                        )
                    )  # fmt: skip
        finally:
            await destination.close()

    def _compare(self, batch: Batch, found: Mapping[str, Found]) -> None:
        result = self._result
        for row, wanted in batch.records():
            result.checked += 1
            there = found.get(row.key)
            if there is None:
                result.missing += 1
                self._note("missing", row.key)
                continue
            held = ((name, value) for name, value in there.fields.items() if name in wanted)
            names = [name for name, value in held if not self._same(name, wanted[name], value)]
            if names:
                result.different += 1
                self._fields.update(names)
                self._note("different", row.key)

    def _same(self, name: str, wanted: Any, there: Any) -> bool:
        if name == self._sync.key:
            # it was found by its key
            return True
        if wanted is None:
            return self._sync.on_null == "leave" or there in (None, "", [])
        return bool(wanted == there or _plain(wanted) == _plain(there))

    def _note(self, kind: str, key: str) -> None:
        self.drifted.append(key)
        shown = self._result.samples.setdefault(kind, [])
        if len(shown) < SAMPLES:
            shown.append(hashlib.sha256(key.encode()).hexdigest())


def _plain(value: Any) -> Any:
    """One spelling for what tools give back in several: numbers as text, decimals with or without zeros."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal | str):
        text = str(value)
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        return number if number.is_finite() else text
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return str(value)
