"""One run of one sync: difference, guards, plan, then erasures, removals, changes and additions, batch by batch."""

import asyncio
import contextlib
import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping

import duckdb

from kinship.settings import Settings
from reverse_etl.batches import Batches
from reverse_etl.config import Sync
from reverse_etl.consent_events import tell
from reverse_etl.delivery import Delivery, Patience
from reverse_etl.destination import Batch, Destination, Operation, Target
from reverse_etl.difference import Difference, compute
from reverse_etl.errors import DestinationError, LedgerError, NotConfigured, Rejected, Retryable, SyncError
from reverse_etl.ledger import CLEARED, SUPERSEDED, Ledger, open_ledger, utcnow
from reverse_etl.opt_outs import is_poll_due, poll
from reverse_etl.outcomes import Tally
from reverse_etl.pace import Meter
from reverse_etl.payloads import Payloads
from reverse_etl.planning import Plan, check_guards, make_plan, quota_left
from reverse_etl.report import Progress, RunResult
from reverse_etl.results import flush
from reverse_etl.sending import Sending, patiently
from reverse_etl.settling import Uncertain
from reverse_etl.warehouse import attached, one_thread

__all__ = ["Progress", "RunResult", "run_sync", "target_of"]

LOOKING_SECONDS = 1.0
"""How long a run waits for whoever looks at the ledger just now, as a dashboard does for some milliseconds."""


def run_sync(
    sync: Sync,
    settings: Settings,
    *,
    allow_change_share: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    resync: bool = False,
) -> RunResult:
    """Send what is due.

    `limit`: at most so many rows, in the order of sending. `resync`: send what was accepted again, though it does not
    differ. `dry_run`: everything but the calls; nothing is written. A destination without credentials gives the status
    `not_configured`; one that stops answering, or a warehouse that others hold for too long, `incomplete`.
    Raises GuardError before the first call, ConfigurationError (AuthenticationError among them), LockedError,
    LedgerError.
    """
    path = settings.ledger / f"{sync.name}.duckdb"
    with open_ledger(path, write=not dry_run, patience=LOOKING_SECONDS) as connection:
        run = _Run(sync, settings, connection, patience or Patience(), allow_change_share, on_progress, limit)
        if dry_run:
            return run.rehearse(resync=resync)
        if resync:
            Ledger(connection, "", sync.name).clear()
        result = run.perform()
        tell(connection, sync, settings)
        return result


class _Run:
    """The ledger is open; the warehouse is attached for the difference, for each window, and to say what was done."""

    def __init__(
        self,
        sync: Sync,
        settings: Settings,
        connection: duckdb.DuckDBPyConnection,
        patience: Patience,
        allow_change_share: float | None,
        on_progress: Callable[[Progress], None] | None,
        limit: int | None,
    ) -> None:
        self._sync = sync
        self._settings = settings
        self._connection = connection
        self._patience = patience
        self._allow_change_share = allow_change_share
        self._on_progress = on_progress
        self._limit = limit
        self._started = time.monotonic()
        self._sending_since = self._started
        self._result = RunResult(sync.name, sync.destination)
        self._meter = Meter(sync.limits.rates)
        self._quota = quota_left(connection, sync)
        self._payloads = Payloads(connection, sync, settings.warehouse, patience.warehouse_wait)
        self._done = 0

    def rehearse(self, *, resync: bool) -> RunResult:
        """Everything but the calls, and no write."""
        if resync:
            # a temporary table hides the ledger's own
            self._connection.execute(
                """create temp table accepted as
                select * replace (if(payload_hash = $1, $1, $2) as payload_hash) from main.accepted""",
                [SUPERSEDED, CLEARED],
            )
        plan, _ = self._plan(patience=0.0)
        result = self._result
        result.status, result.calls = "dry_run", 0 if plan.is_empty else plan.calls
        asyncio.run(self._cut())
        result.left = plan.rows - self._payloads.total
        return self._end()

    async def _cut(self) -> None:
        result, limits = self._result, self._sync.limits
        counts = dict.fromkeys(Operation, 0)
        large = 0

        def too_large(batch: Batch) -> None:
            nonlocal large
            large += len(batch.rows)

        for operation in self._payloads.totals:
            windows = self._payloads.windows(operation)
            batches = Batches(self._sync.name, operation, limits, windows, lambda: 0, too_large)
            while (batch := await batches.take()) is not None:
                counts[operation] += len(batch.rows)
        result.added, result.changed = counts[Operation.ADD], counts[Operation.CHANGE]
        result.removed, result.erased = counts[Operation.REMOVE], counts[Operation.ERASE]
        result.refused = {"too_large": large} if large else {}

    def perform(self) -> RunResult:
        """The run itself."""
        result, connection, sync = self._result, self._connection, self._sync
        plan, difference = self._plan(patience=0.0)
        result.left = plan.rows
        withheld = json.dumps(plan.withheld, sort_keys=True)
        destination: Destination | None = None
        if not plan.is_empty or is_poll_due(sync, connection):
            try:
                destination = sync.destination_class(target_of(sync, self._settings, difference.kinds, self._meter))
            except NotConfigured as reason:
                if not plan.is_empty:
                    result.status, result.message = "not_configured", str(reason)
                    return self._end()
        if destination is None and withheld == _last_withheld(connection):
            Ledger(connection, "", sync.name).tidy()
            flush(connection, self._settings.warehouse)
            return self._end()
        result.run_id = uuid.uuid4().hex
        file = self._settings.ledger / f"{sync.name}.duckdb"
        ledger = Ledger(connection, result.run_id, sync.name, sync.channel, lambda: self._meter.calls, file)
        ledger.tidy()
        ledger.start(sync.destination, withheld)
        ledger.plan(plan, sync.destination_class.cost)
        status: str = "failed"
        try:
            if destination is not None:
                with _terminable():
                    asyncio.run(self._talk(destination, ledger, prepare=not plan.is_empty))
            status = result.status
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            status, result.message = "interrupted", "broken off; the next run settles what was on its way"
            raise
        except SyncError as error:
            result.message = str(error)
            raise
        finally:
            self._close(ledger, status)
        return result

    async def _talk(self, destination: Destination, ledger: Ledger, *, prepare: bool) -> None:
        try:
            if prepare:
                await patiently(destination.prepare, self._patience, self._meter)
            if destination.has_opt_outs:
                await self._ask_for_opt_outs(destination, ledger)
            await self._send(destination, ledger)
        except (Rejected, Retryable) as error:
            self._stop(error)
        finally:
            await destination.close()

    async def _ask_for_opt_outs(self, destination: Destination, ledger: Ledger) -> None:
        fresh = await patiently(lambda: poll(destination, self._connection, ledger), self._patience, self._meter)
        if fresh:
            self._result.opted_out += fresh
            plan, _ = self._plan(patience=self._patience.warehouse_wait)
            self._result.left = plan.rows
            ledger.plan(plan, self._sync.destination_class.cost)

    async def _send(self, destination: Destination, ledger: Ledger) -> None:
        claimed = dict(self._connection.execute("select key, claimed_at from claims").fetchall())
        delivery = Delivery(destination, ledger, Uncertain(claimed), self._count, self._patience)
        sending = Sending(self._sync, self._payloads, delivery, ledger, self._meter, self._quota)
        self._sending_since = time.monotonic()
        with one_thread(self._connection):
            await sending.run()
        if sending.stopped is not None:
            self._stop(sending.stopped)
        elif sending.quota_is_spent:
            self._result.withheld["quota"] = self._result.withheld.get("quota", 0) + self._result.left
        elif self._payloads.overtaken:
            self._result.message = (
                f"{self._payloads.overtaken} rows changed in the warehouse while this run was sending; "
                "the next run decides about them"
            )

    def _stop(self, error: SyncError) -> None:
        result = self._result
        result.status = "incomplete"
        if isinstance(error, DestinationError):
            result.message = f"{result.destination} stopped answering ({error.error_class})"
        else:
            result.message = str(error)
        result.message += "; the rest is sent by the next run"

    def _count(self, tally: Tally) -> None:
        result = self._result
        result.added += tally.added
        result.changed += tally.changed
        result.removed += tally.removed
        result.erased += tally.erased
        result.left -= tally.rows
        self._done += tally.rows
        if self._on_progress is not None:
            seconds = time.monotonic() - self._sending_since
            self._on_progress(Progress(result.sync, self._done, self._payloads.total, self._meter.calls, seconds))

    def _plan(self, patience: float) -> tuple[Plan, Difference]:
        """Compare, guard, plan, and put the due rows in a row, while the warehouse is attached."""
        sync, connection = self._sync, self._connection
        with attached(connection, self._settings.warehouse, write=False, patience=patience) as catalog:
            difference = compute(connection, sync, catalog, utcnow())
            check_guards(sync, difference, self._allow_change_share)
            plan = make_plan(connection, sync, difference)
            self._payloads.line_up(catalog, self._limit)
        self._result.plan = plan
        self._result.unchanged, self._result.withheld = plan.unchanged, dict(plan.withheld)
        return plan, difference

    def _close(self, ledger: Ledger, status: str) -> None:
        result = self._end()
        # what ended the run is told, not what a full disk makes of the last words
        with contextlib.suppress(LedgerError, duckdb.Error) if status != result.status else contextlib.nullcontext():
            ledger.fold()
            result.opted_out += ledger.opted_out
            result.refused = dict(
                self._connection.execute(
                    """select error_class, count(*) from results
                    where run_id = ? and outcome = 'rejected' group by 1 order by 1""",
                    [result.run_id],
                ).fetchall()
            )
            ledger.finish(status, result.left, result.calls, result.seconds, result.message, result.opted_out)
            flush(self._connection, self._settings.warehouse)

    def _end(self) -> RunResult:
        result = self._result
        if result.status != "dry_run":
            result.calls = self._meter.calls
        result.quota = None if self._quota is None else max(0, self._quota - result.calls)
        result.seconds = time.monotonic() - self._started
        return result


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as ctrl-C does: what was heard is kept, what is on its way stays claimed.

    A script's background job begins with SIGINT ignored, and SIGTERM would be with it: for the run both count.
    """
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not ours:
        yield
        return

    # asyncio.run turns SIGINT into a cancelled task, and that into KeyboardInterrupt
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    is_background = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if is_background:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if is_background:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def target_of(sync: Sync, settings: Settings, kinds: Mapping[str, str], meter: Meter) -> Target:
    """What the destination needs to know about the sync; `kinds` are its fields and their types."""
    return Target(
        sync=sync.name,
        object=sync.object,
        key=sync.key,
        mode=sync.mode,
        on_null=sync.on_null,
        fields=tuple(kinds),
        kinds=kinds,
        channel=sync.channel,
        options=sync.destination_options,
        state=settings.state,
        meter=meter,
        purpose=sync.purpose,
    )


def _last_withheld(connection: duckdb.DuckDBPyConnection) -> str:
    # by position, not by time: clocks go back
    row = connection.execute("select withheld from runs order by rowid desc limit 1").fetchone()
    return str(row[0]) if row else "{}"
