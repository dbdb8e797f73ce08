"""One batch on its way: look up, claim, send, commit, and again for what is left.

Never two sends without a look in between, where the destination can look. Several batches may be on their way.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from reverse_etl.book import Book
from reverse_etl.destination import Batch, Destination, Operation, Outcome
from reverse_etl.errors import DestinationError, RateLimited, Rejected, Retryable
from reverse_etl.ledger import Ledger
from reverse_etl.outcomes import Tally, tally
from reverse_etl.settling import Uncertain, settle


@dataclass(frozen=True)
class Patience:
    """How long a run puts up with a destination, or a warehouse, that does not answer."""

    attempts: int = 5
    """Attempts in a row without a single outcome."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    rate_limit_wait: float = 5.0
    """Seconds after a 429 that does not say how long."""
    rate_limit_total: float = 900.0
    """Seconds of 429 in a row after which the rest is left to the next run."""
    warehouse_wait: float = 120.0
    """Seconds to wait for a writer of the warehouse before the next window is read."""

    def pause(self, stalls: int) -> float:
        """Seconds to wait after so many failures in a row: doubled each time, with jitter."""
        ceiling = min(self.longest_wait, self.first_wait * 2**stalls)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret


class Delivery:
    """Sends batches of one run and keeps its ledger. `on_outcomes` is told what became of rows."""

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        uncertain: Uncertain,
        on_outcomes: Callable[[Tally], None],
        patience: Patience,
    ) -> None:
        self._destination = destination
        self._book = Book(ledger)
        self._uncertain = uncertain
        self._on_outcomes = on_outcomes
        self._patience = patience
        self._limited = 0.0
        """Seconds of 429 since the last outcome of any batch."""
        self._silent = 0
        """Batches given up in a row, without an outcome of any other."""
        self._suspects: list[tuple[Batch, DestinationError]] = []
        """Single rows that the server failed on; to blame as soon as it is seen to take another row."""

    async def deliver(self, batch: Batch) -> None:
        """Send until every row has an outcome. Raises Retryable when the destination does not answer any more."""
        await self._deliver(batch, self._patience.attempts, len(batch.rows).bit_length() + 2)

    async def close(self) -> None:
        """Wait until what the destination said is on the disk. Raises LedgerError."""
        await self._book.close()

    def finish(self) -> None:
        """After the last batch: raises the error of rows that failed while no other was there to prove them wrong."""
        if self._suspects:
            raise self._suspects[0][1]

    async def _deliver(self, batch: Batch, attempts: int, budget: int) -> None:
        gone: set[str] = set()
        stalls = 0
        while batch.rows:
            before = len(batch.rows)
            try:
                batch = self._commit(batch, await settle(self._destination, batch, self._uncertain))
                if batch.rows:
                    batch = await self._send(batch, gone)
                continue
            except _Unfinished as unfinished:
                batch, error = unfinished.batch, unfinished.error
            except DestinationError as failure:
                error = failure
            if isinstance(error, Rejected):
                await self._bisect(batch, error, attempts, budget)
                return
            if len(batch.rows) < before:
                stalls = 0
            if isinstance(error, RateLimited):
                self._pause(error)
                continue
            stalls += 1
            if not isinstance(error, Retryable):
                raise error
            if stalls >= attempts:
                await self._give_up(batch, error, budget)
                return
            await asyncio.sleep(self._patience.pause(stalls))

    async def _send(self, batch: Batch, gone: set[str]) -> Batch:
        """One pass over the batch; what is returned has to go round again."""
        if self._uncertain:
            for row in batch.rows:
                row.unsettled_since = self._uncertain.since(row.key)
        await self._book.claim(batch)
        outcomes: dict[str, Outcome] = {}
        lost: list[str] = []
        error: DestinationError | None = None
        leaves = batch.operation in (Operation.REMOVE, Operation.ERASE)
        by_key = {row.key: row for row in batch.rows}
        try:
            async for outcome in self._call(batch):
                if outcome.key not in by_key:
                    raise LookupError(f"{self._destination.target.sync}: an outcome for a row that is not in the batch")
                if outcome.status != "gone":
                    # told twice: a refusal is the safer one to believe
                    if outcome.key not in outcomes or outcome.status == "rejected":
                        outcomes[outcome.key] = outcome
                elif leaves and not self._destination.can_look_up:
                    outcomes[outcome.key] = outcome._replace(status="accepted")
                elif outcome.key in gone or not self._destination.can_look_up:
                    # still found by the look-up, still refused: it is there, but not ours to change
                    refused = outcome._replace(status="rejected", error_class=outcome.error_class or "gone")
                    outcomes[outcome.key] = refused
                else:
                    lost.append(outcome.key)
        except DestinationError as problem:
            error = problem
        except BaseException:
            # refused credentials, a cancelled run, a fault of the program: keep what was heard, the rest stays claimed
            self._commit(batch, list(outcomes.values()))
            raise
        for key in lost:
            gone.add(key)
            by_key[key].destination_id = None
            by_key[key].created_by_us = False
            by_key[key].moved_from = None
        batch = self._commit(batch, list(outcomes.values()))
        if error is None and batch.rows and len(lost) < len(batch.rows):
            error = Retryable("no_outcome", "the destination gave no outcome for some rows")
        if error is not None:
            if isinstance(error, Rejected):
                self._book.release([row.key for row in batch.rows if row.key not in self._uncertain])
            elif not isinstance(error, RateLimited):
                self._uncertain.add([row.key for row in batch.rows])
            raise _Unfinished(batch, error)
        return batch

    def _call(self, batch: Batch) -> AsyncIterator[Outcome]:
        if batch.operation is Operation.ERASE:
            return self._destination.erase(batch)
        return self._destination.remove(batch) if batch.operation is Operation.REMOVE else self._destination.send(batch)

    def _pause(self, error: RateLimited) -> None:
        """A 429 holds up every batch and costs no attempt."""
        wait = self._patience.rate_limit_wait if error.retry_after is None else error.retry_after
        total = self._patience.rate_limit_total
        self._limited += self._destination.target.meter.pause(wait, max(0.0, total - self._limited))
        if self._limited > total:
            raise error

    def _commit(self, batch: Batch, outcomes: list[Outcome]) -> Batch:
        """Put the outcomes down; what is left of the batch."""
        if not outcomes:
            return batch
        self._limited, self._silent = 0.0, 0
        suspects, self._suspects = self._suspects, []
        for suspect, error in suspects:
            self.refuse(suspect, error.error_class)
        self._write(batch, outcomes)
        settled = {outcome.key for outcome in outcomes}
        return batch.take([position for position, row in enumerate(batch.rows) if row.key not in settled])

    def refuse(self, batch: Batch, error_class: str) -> None:
        """Put down that these rows are not taken."""
        self._write(batch, [Outcome(row.key, "rejected", error_class=error_class) for row in batch.rows])

    def _write(self, batch: Batch, outcomes: list[Outcome]) -> None:
        self._book.answer(batch, outcomes, self._uncertain)
        self._on_outcomes(tally(batch.operation, outcomes))
        self._uncertain.discard([outcome.key for outcome in outcomes if outcome.status == "accepted"])

    async def _bisect(self, batch: Batch, error: Rejected, attempts: int, budget: int) -> None:
        """A batch refused whole: find the rows that are to blame."""
        self._limited, self._silent = 0.0, 0
        if len(batch.rows) == 1:
            self._commit(batch, [Outcome(batch.rows[0].key, "rejected", error_class=error.error_class)])
            return
        for half in _halves(batch):
            await self._deliver(half, attempts, budget)

    async def _give_up(self, batch: Batch, error: Retryable, budget: int) -> None:
        """A batch that failed as often as we have patience, and the question whether rows are to blame or the server.

        A tool that answers without a word about some rows is alive: those rows wait. One that fails with HTTP 500 may
        choke on a row: halves are tried, and a row that fails alone is to blame if others pass. Anything else is a
        server that is not there. `budget` failures in a row without an outcome are, too.
        """
        if error.error_class == "no_outcome":
            self.refuse(batch, error.error_class)
            return
        self._silent += 1
        if error.error_class != "http_500" or self._silent > budget:
            raise error
        if len(batch.rows) == 1:
            self._suspects.append((batch, error))
            return
        for half in _halves(batch):
            await self._deliver(half, min(2, self._patience.attempts), budget)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    middle = len(batch.rows) // 2
    halves = batch.take(range(middle)), batch.take(range(middle, len(batch.rows)))
    for number, half in enumerate(halves):
        half.id = f"{batch.id}.{number}"
    return halves


class _Unfinished(Exception):
    """A pass over a batch ended early; `batch` holds the rows without an outcome."""

    def __init__(self, batch: Batch, error: DestinationError) -> None:
        super().__init__(error.error_class)
        self.batch = batch
        self.error = error
