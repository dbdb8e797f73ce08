"""The batches of a run on their way, several at a time, one operation after another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import pyarrow as pa

from reverse_etl.batches import Batches
from reverse_etl.config import Sync
from reverse_etl.delivery import Delivery, Patience
from reverse_etl.destination import Batch, Operation
from reverse_etl.errors import LockedError, RateLimited, Retryable
from reverse_etl.ledger import Ledger
from reverse_etl.pace import Meter
from reverse_etl.payloads import ORDER, Payloads
from reverse_etl.threads import in_thread

T = TypeVar("T")


class Sending:
    """Workers over the queue. Each commits the outcomes of its batch before it takes another.

    When the destination or the warehouse cannot be reached any more, the workers end with the batch they have;
    when it refuses the credentials, or the run is cancelled, at once: the batches on their way stay claimed.
    """

    def __init__(
        self, sync: Sync, payloads: Payloads, delivery: Delivery, ledger: Ledger, meter: Meter, quota: int | None
    ) -> None:
        self.stopped: Retryable | LockedError | None = None
        """Why the rest is left to the next run."""
        self.quota_is_spent = False
        self._sync = sync
        self._limits = sync.limits
        self._payloads = payloads
        self._delivery = delivery
        self._ledger = ledger
        self._meter = meter
        self._quota = quota
        self._turn = asyncio.Lock()
        """The ledger's connection is used by one thread at a time."""
        self._folding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Send all. Raises ConfigurationError, LedgerError."""
        try:
            for operation in ORDER:
                if self._payloads.totals.get(operation) and not self._is_over:
                    await self._send(operation)
        finally:
            await self._delivery.close()
            if self._folding is not None:
                await self._folding
        if self.stopped is None:
            try:
                self._delivery.finish()
            except Retryable as error:
                self.stopped = error

    @property
    def _is_over(self) -> bool:
        return self.stopped is not None or self.quota_is_spent

    async def _send(self, operation: Operation) -> None:
        batches = Batches(
            self._sync.name,
            operation,
            self._limits,
            self._windows(operation),
            self._ledger.next_batch_number,
            self._refuse_large,
        )
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limits.concurrency):
                    workers.create_task(self._work(batches))
        except BaseExceptionGroup as group:
            # the first worker that failed stopped the others
            raise _first(group) from None

    async def _windows(self, operation: Operation) -> AsyncIterator[pa.Table]:
        windows = self._payloads.windows(operation)
        while True:
            async with self._turn:
                if (window := await anext(windows, None)) is None:
                    return
                await in_thread(partial(self._ledger.reserve_batch_numbers, window.num_rows))
            await self._fold()
            yield window

    async def _fold(self) -> None:
        """Fold what was said about the windows before, while this one is sent. Raises LedgerError of the last time."""
        if self._folding is not None:
            await self._folding
        self._folding = asyncio.create_task(self._folded())

    async def _folded(self) -> None:
        async with self._turn:
            await in_thread(self._ledger.fold)

    async def _work(self, batches: Batches) -> None:
        try:
            while not self._is_over and (batch := await batches.take()) is not None:
                if self._quota is not None and self._meter.calls >= self._quota:
                    # repeated calls took what the plan meant for these rows
                    self.quota_is_spent = True
                    return
                await self._delivery.deliver(batch)
        except (Retryable, LockedError) as error:
            self.stopped = self.stopped or error

    def _refuse_large(self, batch: Batch) -> None:
        self._delivery.refuse(batch, "too_large")


async def patiently(call: Callable[[], Awaitable[T]], patience: Patience, meter: Meter) -> T:
    """A call that may be repeated, such as reading: tried as often as a batch would be. Raises the last Retryable."""
    stalls, limited = 0, 0.0
    while True:
        try:
            return await call()
        except RateLimited as error:
            wait = patience.rate_limit_wait if error.retry_after is None else error.retry_after
            limited += meter.pause(wait, max(0.0, patience.rate_limit_total - limited))
            if limited > patience.rate_limit_total:
                raise
        except Retryable:
            stalls += 1
            if stalls >= patience.attempts:
                raise
            await asyncio.sleep(patience.pause(stalls))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
