"""What batches on their way have to say to the ledger, written by a thread while calls go on.

Whatever was said while the disk was busy is written together. A claim is waited for, an answer is not: it lies before
the next claim in the file, so no call of its lane leaves before it is on the disk.
"""

import asyncio
from collections.abc import Container, Sequence

from reverse_etl.destination import Batch, Outcome
from reverse_etl.journal import Record
from reverse_etl.ledger import Ledger


class Book:
    """The ledger, as batches that are on their way at the same time write into it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._said: list[Record] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def claim(self, batch: Batch) -> None:
        """Say, durably, that these rows are about to be sent. Raises LedgerError."""
        self._say(self._ledger.claim(batch))
        await self._written()

    def answer(self, batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str]) -> None:
        """Say what the destination said to rows of the batch."""
        self._say(self._ledger.answer(batch, outcomes, uncertain))

    def release(self, keys: Sequence[str]) -> None:
        """Say that rows are known not to have been taken."""
        self._say(self._ledger.release(keys))

    async def close(self) -> None:
        """Wait for what was said. Raises LedgerError."""
        await self._written()

    def _say(self, record: Record) -> None:
        self._said.append(record)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def _written(self) -> None:
        if self._writing is not None:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        if self._failure is not None:
            raise self._failure

    async def _write(self) -> None:
        while self._said or self._waiting:
            said, waiting = self._said, self._waiting
            self._said, self._waiting = [], []
            if said and self._failure is None:
                try:
                    await asyncio.to_thread(self._ledger.write, said)
                except Exception as error:
                    self._failure = error
            for one in waiting:
                if not one.done():
                    one.set_result(None)
        self._writing = None
