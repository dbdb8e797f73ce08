"""The ledger of one sync: what the destination accepted. A DuckDB file whose lock is the sync's lock.

Keys, hashes and destination ids only, never a payload. Each batch is claimed before it is sent and its outcomes are
committed before the next one, so that a killed process leaves claims: rows of unknown state that the next run settles.
"""

import contextlib
import json
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from reverse_etl.destination import Batch, Operation, OptOut, Outcome
from reverse_etl.errors import LedgerError
from reverse_etl.ledger_file import open_ledger
from reverse_etl.outcomes import SUPERSEDED, Tally, accept, follow_merges, outcome_table, refuse, tally
from reverse_etl.warehouse import one_row

if TYPE_CHECKING:
    from reverse_etl.planning import Plan

__all__ = ["CLEARED", "SUPERSEDED", "Answer", "Ledger", "Tally", "open_ledger", "utcnow"]

CLEARED = "cleared"
"""In place of a payload's hash: the row is to be sent again, though it may not differ."""

OPTED_OUT = "opted_out"
"""The error class of a row whose person unsubscribed at the destination."""

NUMBERS = 100
"""Batch numbers taken from the file at once: each taking is a write to the disk of its own, 10 ms."""

ANY_CHANNEL = "any"
"""The channel of an opt-out when neither the sync nor the destination names one."""


@dataclass
class Answer:
    """What the destination said to rows of a batch.

    A refused row whose key is in `uncertain` keeps its claim: an earlier call may have made the record.
    """

    batch: Batch
    outcomes: Sequence[Outcome]
    uncertain: Container[str] = ()
    told: Tally = field(default_factory=Tally)
    """What came of it, once it is written."""


class Ledger:
    """The writing side, used by one run at a time. Raises LedgerError when the file cannot be written."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        run_id: str,
        sync: str,
        channel: str | None = None,
        calls: Callable[[], int] = lambda: 0,
    ) -> None:
        self._connection = connection
        self._run_id = run_id
        self._sync = sync
        self._channel = channel or ANY_CHANNEL
        self._calls = calls
        self._numbers = iter(range(0))
        # deletes that find nothing cost a third of a batch's time: what there is to find is known
        claims = connection.execute("select key, moved_from from claims").fetchall()
        self._claimed = {key for key, _ in claims}
        self._moving = {moved_from for _, moved_from in claims if moved_from is not None}
        """Keys that a claim moves a record away from, or did in this run."""
        self._has_rejected = bool(one_row(connection, "select exists(from rejected)")[0])

    def next_batch_number(self) -> int:
        """A number that no batch had before; they are taken from the file a hundred at a time."""
        number = next(self._numbers, None)
        if number is None:
            with _written():
                (last,) = one_row(
                    self._connection, "update batches set number = number + ? returning number", [NUMBERS]
                )
            self._numbers = iter(range(last - NUMBERS + 1, last + 1))
            number = next(self._numbers)
        return number

    def write(self, claims: Sequence[Batch], answers: Sequence["Answer"]) -> None:
        """Put down what the destination said to batches, then that others are about to be sent: one transaction.

        An answer gets its `told`. A claim of unknown fate keeps its time.
        """
        with self._atomic():
            for operation in Operation:
                if group := [answer for answer in answers if answer.batch.operation is operation]:
                    self._answer(operation, group)
            if claims:
                self._claim(claims)

    def _claim(self, batches: Sequence[Batch]) -> None:
        now = utcnow()
        rows = [row for batch in batches for row in batch.rows]
        table = _table(
            {
                "key": [row.key for row in rows],
                "payload_hash": [row.payload_hash for row in rows],
                "operation": [row.operation for row in rows],
                "destination_id": [row.destination_id for row in rows],
                "customer_id": [row.customer_id for row in rows],
                "creates": [row.destination_id is None or row.created_by_us for row in rows],
                "batch": [batch.id for batch in batches for _ in batch.rows],
                "batch_rows": [len(batch.rows) for batch in batches for _ in batch.rows],
                "moved_from": [row.moved_from for row in rows],
                "claimed_at": [row.unsettled_since or now for row in rows],
            }
        )
        keys = {row.key for row in rows}
        moved = {row.moved_from for row in rows if row.moved_from is not None}
        with self._registered("claimed", table):
            if not (self._claimed.isdisjoint(keys | moved) and self._moving.isdisjoint(moved)):
                self._connection.execute(
                    """delete from claims where
                        key in (select key from claimed)
                        or key in (select moved_from from claimed where moved_from is not null)
                        or moved_from in (select moved_from from claimed where moved_from is not null)"""
                )
            self._connection.execute("insert into claims by name from claimed")
        self._claimed = (self._claimed - moved) | keys
        self._moving |= moved

    def release(self, keys: Sequence[str]) -> None:
        """Drop the claims of rows that are known not to have been taken."""
        with self._atomic(), self._registered("released", _table({"key": list(keys)})):
            self._connection.execute("delete from claims where key in (select key from released)")
        self._claimed.difference_update(keys)

    def _answer(self, operation: Operation, answers: Sequence["Answer"]) -> None:
        now = utcnow()
        table = pa.concat_tables([outcome_table(answer.batch, answer.outcomes, answer.uncertain) for answer in answers])
        outcomes = [outcome for answer in answers for outcome in answer.outcomes]
        rows = [row for answer in answers for row in answer.batch.rows]
        told = tally(operation, outcomes)
        run = self._connection.execute
        with self._registered("outcomes", table):
            # a claim of the old key names the record that has the new key now
            run(
                """delete from claims where key in (
                    select key from outcomes where not keeps_claim
                    union all
                    select moved_from from outcomes where accepted and moved_from is not null
                )"""
            )
            if told.accepted:
                # an addition was not accepted before, and looking for it among ten million rows takes 0.3 s; but for a
                # key whose record is on its way to another key
                is_new = operation is Operation.ADD and self._moving.isdisjoint(row.key for row in rows)
                accept(self._connection, operation, now, is_new=is_new)
                for answer in answers:
                    follow_merges(self._connection, answer.batch, answer.outcomes)
                if self._has_rejected:
                    run("delete from rejected where key in (select key from outcomes where accepted)")
            if told.refused:
                refuse(self._connection, now)
                self._has_rejected = True
            if any(outcome.error_class == OPTED_OUT for outcome in outcomes):
                told.opted_out = self._remember(
                    f"""select key, customer_id, '{self._channel}' as channel, timestamp '{now}' as opted_out_at
                    from outcomes where error_class = '{OPTED_OUT}'""",  # noqa: S608 - our own words
                    "send",
                    now,
                )
            run(
                """insert into results by name
                select
                    ? as run_id, ? as sync, sha256(key) as key_hash, customer_id, operation,
                    case when accepted then 'accepted' else 'rejected' end as outcome, error_class, ? as recorded_at
                from outcomes""",
                [self._run_id, self._sync, now],
            )
            run(
                """update runs set
                    added = added + ?, changed = changed + ?, removed = removed + ?, erased = erased + ?,
                    refused = refused + ?, calls = ?
                where run_id = ?""",
                [told.added, told.changed, told.removed, told.erased, told.refused, self._calls(), self._run_id],
            )
        for answer in answers:
            answer.told = tally(operation, answer.outcomes)
            self._claimed.difference_update(
                outcome.key
                for outcome in answer.outcomes
                if outcome.status == "accepted" or outcome.key not in answer.uncertain
            )
        answers[0].told.opted_out = told.opted_out

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
        with self._atomic(), self._registered("told", table):
            return self._remember(
                """select told.*, known.customer_id from told
                left join (
                    select key, customer_id from accepted union all select key, customer_id from claims
                ) as known on lower(told.key) = lower(known.key)""",
                source,
                utcnow(),
            )

    def _remember(self, told: str, source: str, now: datetime) -> int:
        fresh = self._connection.execute(
            f"""insert into opt_outs by name
            select
                key, any_value(customer_id) as customer_id, channel, min(opted_out_at) as opted_out_at,
                ? as seen_at, ? as source, false as told
            from ({told}) as told
            anti join opt_outs using (key, channel)
            group by key, channel
            returning key""",  # noqa: S608 - our own words
            [now, source],
        )
        return len(fresh.fetchall())

    def polled(self, at: datetime) -> None:
        """The destination told who unsubscribed up to then."""
        with self._atomic():
            self._connection.execute("delete from polls")
            self._connection.execute("insert into polls values (?)", [at])

    def clear(self, keys: Sequence[str] | None = None) -> int:
        """Make accepted rows due again, those with these keys or all (refused ones, too); how many. Hashes go, keys
        stay: a row that is to be removed is still removed."""
        if keys is None:
            with _written():
                self._connection.execute("update rejected set next_attempt_at = rejected_at")
        condition = "" if keys is None else "and key in (select key from cleared)"
        with self._atomic(), self._registered("cleared", _table({"key": list(keys or ())})):
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
        with self._atomic():
            self._connection.execute(
                "update accepted set customer_id = adopted.customer_id from adopted where accepted.key = adopted.key"
            )
            self._connection.execute("delete from rejected where key not in (select key from wanting)")
            self._connection.execute("update runs set status = 'interrupted' where status = 'running'")

    def start(self, destination: str, withheld: str) -> None:
        """Open the run's row."""
        with _written():
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
        with self._atomic():
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
        with _written():
            self._connection.execute(
                """update runs set
                    status = ?, finished_at = ?, left_over = ?, calls = ?, seconds = ?, message = ?, opted_out = ?
                where run_id = ?""",
                [status, utcnow(), left, calls, seconds, message, opted_out, self._run_id],
            )

    @contextlib.contextmanager
    def _registered(self, view: str, table: pa.Table) -> Iterator[None]:
        self._connection.register(view, table)
        try:
            yield
        finally:
            with contextlib.suppress(duckdb.Error):
                self._connection.unregister(view)

    @contextlib.contextmanager
    def _atomic(self) -> Iterator[None]:
        with _written():
            self._connection.execute("begin")
            try:
                yield
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    self._connection.execute("rollback")
                raise
            self._connection.execute("commit")


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """A full disk is no fault of the program: say what to do. What was committed before is on the disk."""
    try:
        yield
    except (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException) as error:
        raise LedgerError(
            f"the ledger cannot be written ({str(error).splitlines()[0]}): make room on its disk, then run again; "
            "nothing that the destination accepted is forgotten, rows of unknown fate are settled by the next run"
        ) from None


def calls_of_the_day(connection: duckdb.DuckDBPyConnection) -> int:
    """Calls of the runs of the last 24 hours. A run from a future beyond that was written by a clock that was wrong."""
    now, day = utcnow(), timedelta(days=1)
    (calls,) = one_row(
        connection,
        "select coalesce(sum(calls), 0) from runs where started_at > ? and started_at < ?",
        [now - day, now + day],
    )
    return int(calls)


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    types = {"creates": pa.bool_(), "claimed_at": pa.timestamp("us"), "batch_rows": pa.int32()}
    return pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def utcnow() -> datetime:
    """Now, in UTC, as the ledger's timestamps have it: without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
