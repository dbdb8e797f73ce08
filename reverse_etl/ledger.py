"""The ledger of one sync: what the destination accepted. A DuckDB file whose lock is the sync's lock.

Keys, hashes and destination ids only, never a payload. Each batch is claimed before it is sent and its outcomes are on
the disk before the next one, so that a killed process leaves claims: rows of unknown state that the next run settles.
Both go to a journal first (`journal.py`), which is folded into the tables window by window.
"""

import json
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from reverse_etl.destination import Batch, OptOut, Outcome
from reverse_etl.folding import SUPERSEDED, atomic, fold, registered, remember_opt_outs, written
from reverse_etl.journal import About, Journal, Record
from reverse_etl.ledger_file import journal_id, journal_of, open_ledger
from reverse_etl.outcomes import claim_table, outcome_table, released_table
from reverse_etl.warehouse import one_row

if TYPE_CHECKING:
    from reverse_etl.planning import Plan

__all__ = ["CLEARED", "SUPERSEDED", "Ledger", "open_ledger", "utcnow"]

CLEARED = "cleared"
"""In place of a payload's hash: the row is to be sent again, though it may not differ."""

ANY_CHANNEL = "any"
"""The channel of an opt-out when neither the sync nor the destination names one."""


class Ledger:
    """The writing side, used by one run at a time. Raises LedgerError when the file cannot be written."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        run_id: str,
        sync: str,
        channel: str | None = None,
        calls: Callable[[], int] = lambda: 0,
        file: Path | None = None,
    ) -> None:
        self.opted_out = 0
        """People newly known to have unsubscribed, because the destination refused their rows."""
        self._connection = connection
        self._run_id = run_id
        self._sync = sync
        self._calls = calls
        self._numbers: Iterator[int] = iter(())
        about = About(journal_id(connection), run_id, sync, channel or ANY_CHANNEL)
        self._journal = None if file is None else Journal(journal_of(file), about)

    def reserve_batch_numbers(self, count: int) -> None:
        """Take so many numbers from the file, for `next_batch_number`; before the rows of a window are cut."""
        with written():
            (last,) = one_row(self._connection, "update batches set number = number + ? returning number", [count])
        self._numbers = chain(self._numbers, range(last - count + 1, last + 1))

    def next_batch_number(self) -> int:
        """A number that no batch had before."""
        return next(self._numbers)

    def claim(self, batch: Batch) -> Record:
        """To write before the batch is sent."""
        return Record("claims", claim_table(batch, utcnow()))

    def answer(self, batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str]) -> Record:
        """To write when the destination has said something to rows of the batch; a refused row whose key is in
        `uncertain` keeps its claim."""
        return Record("outcomes", outcome_table(batch, outcomes, uncertain, utcnow(), self._calls()))

    def release(self, keys: Sequence[str]) -> Record:
        """To write when rows are known not to have been taken."""
        return Record("released", released_table(keys))

    def write(self, records: Sequence[Record]) -> None:
        """Put records down, in their order; they are on the disk when this returns. Any thread may call it."""
        assert self._journal is not None  # noqa: S101 - runs that send have one
        with written():
            self._journal.append(records)

    def fold(self) -> None:
        """Bring the tables up to what was written."""
        if self._journal is None:
            return
        lock, records = self._journal.folding()
        with lock:
            if records:
                following, opted_out = fold(self._connection, self._journal.about, records)
                self._journal.begin(following)
                self.opted_out += opted_out

    def opt_out(self, opt_outs: Sequence[OptOut], source: str) -> int:
        """Remember who unsubscribed at the destination; how many we did not know of yet.

        `source` says how we learned it. Whose key it is, is told by what was accepted or claimed.
        """
        table = pa.table(
            {
                "key": pa.array([one.key.strip() for one in opt_outs], pa.string()),
                "channel": pa.array([one.channel for one in opt_outs], pa.string()),
                "opted_out_at": pa.array([one.at for one in opt_outs], pa.timestamp("us")),
            }
        )
        with atomic(self._connection), registered(self._connection, "told", table):
            return remember_opt_outs(
                self._connection,
                f"""select told.*, timestamp '{utcnow()}' as recorded_at, known.customer_id from told
                left join (
                    select key, customer_id from accepted union all select key, customer_id from claims
                ) as known on lower(told.key) = lower(known.key)""",  # noqa: S608 - a time
                source,
            )

    def polled(self, at: datetime) -> None:
        """The destination told who unsubscribed up to then."""
        with atomic(self._connection):
            self._connection.execute("delete from polls")
            self._connection.execute("insert into polls values (?)", [at])

    def clear(self, keys: Sequence[str] | None = None) -> int:
        """Make accepted rows due again, those with these keys or all (refused ones, too); how many. Hashes go, keys
        stay: a row that is to be removed is still removed."""
        if keys is None:
            with written():
                self._connection.execute("update rejected set next_attempt_at = rejected_at")
        condition = "" if keys is None else "and key in (select key from cleared)"
        with atomic(self._connection), registered(self._connection, "cleared", released_table(keys or ())):
            return len(
                self._connection.execute(
                    f"""update accepted set payload_hash = ?
                    where payload_hash not in (?, ?) {condition} returning 1""",  # noqa: S608 - our own words
                    [CLEARED, CLEARED, SUPERSEDED],
                ).fetchall()
            )

    def tidy(self) -> None:
        """Carry over what the difference found out without sending anything.

        The rows of the temporary table `adopted` belong to another customer_id now; refused rows that nobody wants any
        more wait for nothing; a run that never finished was interrupted.
        """
        with atomic(self._connection):
            self._connection.execute(
                "update accepted set customer_id = adopted.customer_id from adopted where accepted.key = adopted.key"
            )
            self._connection.execute("delete from rejected where key not in (select key from wanting)")
            self._connection.execute("update runs set status = 'interrupted' where status = 'running'")

    def start(self, destination: str, withheld: str) -> None:
        """Open the run's row."""
        with written():
            self._connection.execute(
                """insert into runs by name select
                    $1 as run_id, $2 as sync, $3 as destination, 'running' as status, $4 as started_at,
                    0 as added, 0 as changed, 0 as removed, 0 as erased, 0 as refused, 0 as left_over, 0 as opted_out,
                    $5 as withheld, 0 as calls, 0 as seconds, false as flushed""",
                [self._run_id, self._sync, destination, utcnow(), withheld],
            )

    def plan(self, plan: "Plan", cost: str) -> None:
        """Put down what the run is going to do; a later plan of the same run takes its place."""
        withheld = json.dumps(plan.withheld, sort_keys=True)
        with atomic(self._connection):
            self._connection.execute("delete from plans where run_id = ?", [self._run_id])
            self._connection.execute(
                """insert into plans by name select
                    $1 as run_id, $2 as sync, $3 as destination, $4 as adds, $5 as changes, $6 as removals,
                    $7 as erasures, $8 as unchanged, $9 as withheld, $10 as calls, $11 as seconds, $12 as cost,
                    $13 as guard, $14 as planned_at""",
                [
                    self._run_id, self._sync, plan.destination, plan.adds, plan.changes, plan.removals, plan.erasures,
                    plan.unchanged, withheld, plan.calls, plan.seconds, cost, plan.guard, utcnow(),
                ],
            )  # fmt: skip
            self._connection.execute("update runs set withheld = ? where run_id = ?", [withheld, self._run_id])

    def finish(
        self, status: str, left: int, calls: int, seconds: float, message: str | None, opted_out: int = 0
    ) -> None:
        """Close the run's row."""
        with written():
            self._connection.execute(
                """update runs set
                    status = ?, finished_at = ?, left_over = ?, calls = ?, seconds = ?, message = ?, opted_out = ?
                where run_id = ?""",
                [status, utcnow(), left, calls, seconds, message, opted_out, self._run_id],
            )


def calls_of_the_day(connection: duckdb.DuckDBPyConnection) -> int:
    """Calls of the runs of the last 24 hours. A run from a future beyond that was written by a clock that was wrong."""
    now, day = utcnow(), timedelta(days=1)
    (calls,) = one_row(
        connection,
        "select coalesce(sum(calls), 0) from runs where started_at > ? and started_at < ?",
        [now - day, now + day],
    )
    return int(calls)


def utcnow() -> datetime:
    """Now, in UTC, as the ledger's timestamps have it: without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
