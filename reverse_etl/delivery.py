"""One batch on its way: look up, claim, send, commit, and again for what is left.

Never two sends without a look in between, where the destination can look.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from reverse_etl.destination import Batch, Destination, Operation, Outcome
from reverse_etl.errors import AuthenticationError, DestinationError, RateLimited, Rejected, Retryable
from reverse_etl.ledger import Ledger, Tally, utcnow


@dataclass(frozen=True)
class Patience:
    """How long a run puts up with a destination that does not answer."""

    attempts: int = 5
    """Attempts in a row without a single outcome."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    rate_limit_wait: float = 5.0
    """Seconds after a 429 that does not say how long."""
    rate_limit_total: float = 900.0
    """Seconds of 429 in a row after which the rest is left to the next run."""


class Delivery:
    """Sends batches of one run and keeps its ledger."""

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        claimed_at: dict[str, datetime],
        on_outcomes: Callable[[Tally], None],
        patience: Patience,
    ) -> None:
        self._destination = destination
        self._ledger = ledger
        self._unsettled = claimed_at
        """Keys whose last call may still be running over there, and since when."""
        self._on_outcomes = on_outcomes
        self._patience = patience

    async def deliver(self, batch: Batch) -> None:
        """Send until every row has an outcome. Raises Retryable when the destination does not answer any more."""
        gone: set[str] = set()
        stalls = 0
        limited = 0.0
        while batch.rows:
            before = len(batch.rows)
            try:
                batch = await self._settle(batch)
                if batch.rows:
                    batch = await self._send(batch, gone)
                continue
            except _Unfinished as unfinished:
                batch, error = unfinished.batch, unfinished.error
            except DestinationError as failure:
                error = failure
            if isinstance(error, Rejected):
                await self._bisect(batch, error)
                return
            if len(batch.rows) < before:
                stalls, limited = 0, 0.0
            if isinstance(error, RateLimited):
                wait = self._patience.rate_limit_wait if error.retry_after is None else error.retry_after
                limited += wait
                if limited > self._patience.rate_limit_total:
                    raise error
                await asyncio.sleep(wait)
                continue
            stalls += 1
            if not isinstance(error, Retryable) or stalls >= self._patience.attempts:
                raise error
            ceiling = min(self._patience.longest_wait, self._patience.first_wait * 2**stalls)
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - jitter, not a secret

    async def _settle(self, batch: Batch) -> Batch:
        """Find out which rows are at the destination already, and give the others their outcome if that decides it."""
        if not self._destination.can_look_up:
            return batch
        unknown = [row for row in batch.rows if row.destination_id is None or row.moved_from is not None]
        if not unknown:
            return batch
        if since := [self._unsettled[row.key] for row in unknown if row.key in self._unsettled]:
            still = self._destination.settle_seconds - (utcnow() - max(since)).total_seconds()
            await asyncio.sleep(min(max(0.0, still), self._destination.settle_seconds))
        found = await self._destination.lookup([row.key for row in unknown])
        mode = self._destination.target.mode
        decided = []
        for row in unknown:
            ids = found.get(row.key, ())
            if len(ids) > 1:
                decided.append(Outcome(row.key, "rejected", error_class="ambiguous_match"))
            elif ids:
                if row.moved_from is not None and row.destination_id != ids[0]:
                    # the new key has a record of its own: that one is meant, and the old one has to go
                    row.supersedes = row.moved_from if row.moved_from != row.key else None
                    row.created_by_us, row.moved_from = False, None
                row.destination_id = ids[0]
                if mode == "create" and not row.created_by_us and row.operation is Operation.ADD:
                    decided.append(Outcome(row.key, "rejected", error_class="already_exists"))
            elif row.moved_from is not None:
                continue
            elif row.operation is Operation.REMOVE:
                decided.append(Outcome(row.key, "accepted"))
            elif mode == "update":
                decided.append(Outcome(row.key, "rejected", error_class="not_found"))
            else:
                row.created_by_us = True
        return self._commit(batch, decided)

    async def _send(self, batch: Batch, gone: set[str]) -> Batch:
        """One pass over the batch; what is returned has to go round again."""
        for row in batch.rows:
            row.unsettled_since = self._unsettled.get(row.key)
        self._ledger.claim(batch)
        outcomes: list[Outcome] = []
        lost: list[str] = []
        error: DestinationError | None = None
        call = self._destination.remove if batch.operation is Operation.REMOVE else self._destination.send
        by_key = {row.key: row for row in batch.rows}
        failure: AuthenticationError | None = None
        try:
            async for outcome in call(batch):
                if outcome.status != "gone":
                    outcomes.append(outcome)
                elif batch.operation is Operation.REMOVE and not self._destination.can_look_up:
                    outcomes.append(replace(outcome, status="accepted"))
                elif outcome.key in gone or not self._destination.can_look_up:
                    # still found by the look-up, still refused: it is there, but not ours to change
                    outcomes.append(replace(outcome, status="rejected", error_class=outcome.error_class or "gone"))
                else:
                    lost.append(outcome.key)
        except DestinationError as problem:
            error = problem
        except AuthenticationError as problem:
            failure = problem
        for key in lost:
            gone.add(key)
            by_key[key].destination_id = None
            by_key[key].created_by_us = False
            by_key[key].moved_from = None
        batch = self._commit(batch, outcomes)
        if failure is not None:
            raise failure
        if error is None and batch.rows and len(lost) < len(batch.rows):
            error = Retryable("no_outcome", "the destination gave no outcome for some rows")
        if error is not None:
            if isinstance(error, Rejected):
                self._ledger.release([row.key for row in batch.rows])
            else:
                now = utcnow()
                self._unsettled.update((row.key, now) for row in batch.rows if row.destination_id is None)
            raise _Unfinished(batch, error)
        return batch

    def _commit(self, batch: Batch, outcomes: list[Outcome]) -> Batch:
        if not outcomes:
            return batch
        self._on_outcomes(self._ledger.commit(batch, outcomes))
        settled = {outcome.key for outcome in outcomes}
        return batch.take([position for position, row in enumerate(batch.rows) if row.key not in settled])

    async def _bisect(self, batch: Batch, error: Rejected) -> None:
        """A batch refused whole: find the rows that are to blame."""
        if len(batch.rows) == 1:
            self._commit(batch, [Outcome(batch.rows[0].key, "rejected", error_class=error.error_class)])
            return
        middle = len(batch.rows) // 2
        for number, positions in enumerate((range(middle), range(middle, len(batch.rows)))):
            half = batch.take(list(positions))
            half.id = f"{batch.id}.{number}"
            await self.deliver(half)


class _Unfinished(Exception):
    """A pass over a batch ended early; `batch` holds the rows without an outcome."""

    def __init__(self, batch: Batch, error: DestinationError) -> None:
        super().__init__(error.error_class)
        self.batch = batch
        self.error = error
