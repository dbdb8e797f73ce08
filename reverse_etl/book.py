"""What batches on their way have to say to the ledger, put down together: a transaction costs some 10 ms, whatever is
in it.

With one batch on its way each claim and each answer is a transaction of its own. With several, those that are ready
within `GATHER` seconds share one, and none of them goes on before it is on the disk.
"""

import asyncio
from collections.abc import Container, Sequence

from reverse_etl.destination import Batch, Outcome
from reverse_etl.ledger import Answer, Ledger, Tally

GATHER = 0.01
"""Seconds to wait for other batches, about what a transaction takes. 200,000 rows to a local sink, eight batches on
their way: 4.4 s when 3 ms are waited, 3.8 s when 10 or 30."""


class Book:
    """The ledger, as batches that are on their way at the same time write into it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open = 0
        """Batches on their way."""
        self._claims: list[Batch] = []
        self._answers: list[Answer] = []
        self._is_full = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def __enter__(self) -> "Book":
        """One more batch is on its way."""
        self._open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._open -= 1
        self._look()

    async def claim(self, batch: Batch) -> None:
        """Say, durably, that these rows are about to be sent."""
        self._claims.append(batch)
        await self._put_down()

    async def answer(self, batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str]) -> Tally:
        """Write what the destination said to rows of the batch."""
        answer = Answer(batch, outcomes, uncertain)
        self._answers.append(answer)
        await self._put_down()
        return answer.told

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing

    async def _put_down(self) -> None:
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        writing = self._writing
        self._look()
        # a batch that is cancelled meanwhile takes nothing back: the others are in the same transaction
        await asyncio.shield(writing)

    async def _write(self) -> None:
        try:
            async with asyncio.timeout(GATHER):
                await self._is_full.wait()
        except TimeoutError:
            pass
        claims, answers = self._claims, self._answers
        self._claims, self._answers, self._writing = [], [], None
        self._is_full.clear()
        self._ledger.write(claims, answers)

    def _look(self) -> None:
        if len(self._claims) + len(self._answers) >= self._open:
            self._is_full.set()
