"""The ledger of one sync: what the destination accepted. A DuckDB file whose lock is the sync's lock.

Keys, hashes and destination ids only, never a payload. Each batch is claimed before it is sent and its outcomes are
committed before the next one, so that a killed process leaves claims: rows of unknown state that the next run settles.
"""

import contextlib
import json
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from reverse_etl.backoff import wait
from reverse_etl.destination import Batch, Operation, OptOut, Outcome
from reverse_etl.errors import LedgerError
from reverse_etl.ledger_file import open_ledger
from reverse_etl.warehouse import one_row

if TYPE_CHECKING:
    from reverse_etl.planning import Plan

__all__ = ["CLEARED", "SUPERSEDED", "Ledger", "Tally", "open_ledger", "utcnow"]

SUPERSEDED = ""
"""In place of a payload's hash: the person has another record under another key, this one is to be taken back."""

CLEARED = "cleared"
"""In place of a payload's hash: the row is to be sent again, though it may not differ."""

OPTED_OUT = "opted_out"
"""The error class of a row whose person unsubscribed at the destination."""

ANY_CHANNEL = "any"
"""The channel of an opt-out when neither the sync nor the destination names one."""

_OUTCOMES = pa.schema(
    [
        ("key", pa.string()),
        ("payload_hash", pa.string()),
        ("operation", pa.string()),
        ("destination_id", pa.string()),
        ("customer_id", pa.string()),
        ("created_by_us", pa.bool_()),
        ("moved_from", pa.string()),
        ("supersedes", pa.string()),
        ("accepted", pa.bool_()),
        ("error_class", pa.string()),
        ("keeps_claim", pa.bool_()),
    ]
)


@dataclass
class Tally:
    """What became of the rows of a run."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: int = 0
    erased: int = 0
    opted_out: int = 0
    """People among the refused of whom we learn that they unsubscribed over there."""

    @property
    def rows(self) -> int:
        return self.added + self.changed + self.removed + self.refused + self.erased


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

    def next_batch_number(self) -> int:
        """A number that no batch had before."""
        with _written():
            (number,) = one_row(self._connection, "update batches set number = number + 1 returning number")
        return int(number)

    def claim(self, batch: Batch) -> None:
        """Say, durably, that these rows are about to be sent. A claim of unknown fate keeps its time."""
        now = utcnow()
        table = _table(
            {
                "key": [row.key for row in batch.rows],
                "payload_hash": [row.payload_hash for row in batch.rows],
                "destination_id": [row.destination_id for row in batch.rows],
                "customer_id": [row.customer_id for row in batch.rows],
                "creates": [row.destination_id is None or row.created_by_us for row in batch.rows],
                "moved_from": [row.moved_from for row in batch.rows],
                "claimed_at": [row.unsettled_since or now for row in batch.rows],
            }
        )
        with self._transaction("claimed", table):
            self._connection.execute(
                """delete from claims where
                    key in (select key from claimed)
                    or key in (select moved_from from claimed where moved_from is not null)
                    or moved_from in (select moved_from from claimed where moved_from is not null)"""
            )
            self._connection.execute(
                """insert into claims by name
                select
                    key, payload_hash, ? as operation, destination_id, customer_id, creates, ? as batch,
                    ? as batch_rows, claimed_at, moved_from
                from claimed""",
                [batch.operation, batch.id, len(batch.rows)],
            )

    def release(self, keys: Sequence[str]) -> None:
        """Drop the claims of rows that are known not to have been taken."""
        with self._transaction("released", _table({"key": list(keys)})):
            self._connection.execute("delete from claims where key in (select key from released)")

    def commit(self, batch: Batch, outcomes: Sequence[Outcome], uncertain: Container[str] = ()) -> Tally:
        """Write what the destination said to rows of the batch, in one transaction.

        A refused row whose key is in `uncertain` keeps its claim: an earlier call may have made the record.
        """
        by_key = {row.key: row for row in batch.rows}
        rows = [by_key[outcome.key] for outcome in outcomes]
        operation = batch.operation
        now = utcnow()
        table = pa.table(
            [
                [row.key for row in rows],
                [row.payload_hash for row in rows],
                [operation] * len(rows),
                [outcome.destination_id or row.destination_id for row, outcome in zip(rows, outcomes, strict=True)],
                [row.customer_id for row in rows],
                [row.created_by_us for row in rows],
                [row.moved_from for row in rows],
                [row.supersedes for row in rows],
                [outcome.status == "accepted" for outcome in outcomes],
                [outcome.error_class for outcome in outcomes],
                [outcome.status != "accepted" and outcome.key in uncertain for outcome in outcomes],
            ],
            schema=_OUTCOMES,
        )
        accepted = sum(outcome.status == "accepted" for outcome in outcomes)
        tally = Tally(
            added=accepted if operation is Operation.ADD else 0,
            changed=accepted if operation is Operation.CHANGE else 0,
            removed=accepted if operation is Operation.REMOVE else 0,
            erased=accepted if operation is Operation.ERASE else 0,
            refused=len(outcomes) - accepted,
        )
        run = self._connection.execute
        with self._transaction("outcomes", table):
            # a claim of the old key names the record that has the new key now
            run(
                """delete from claims where key in (
                    select key from outcomes where not keeps_claim
                    union all
                    select moved_from from outcomes where accepted and moved_from is not null
                )"""
            )
            if accepted:
                self._accept(operation, now)
                self._follow_merges(batch, outcomes)
            if tally.refused:
                self._refuse(now)
            if any(outcome.error_class == OPTED_OUT for outcome in outcomes):
                tally.opted_out = self._remember(
                    f"""select key, customer_id, '{self._channel}' as channel, timestamp '{now}' as opted_out_at
                    from outcomes where error_class = '{OPTED_OUT}'""",  # noqa: S608 - our own words
                    "send",
                    now,
                )
            run("delete from rejected where key in (select key from outcomes where accepted)")
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
                [tally.added, tally.changed, tally.removed, tally.erased, tally.refused, self._calls(), self._run_id],
            )
        return tally

    def _accept(self, operation: Operation, now: datetime) -> None:
        run = self._connection.execute
        # an addition was not accepted before, and looking for it in ten million rows takes 0.3 s
        if operation is not Operation.ADD:
            run("delete from accepted where key in (select unnest([key, moved_from]) from outcomes where accepted)")
        if operation in (Operation.ADD, Operation.CHANGE):
            run(
                """insert into accepted by name
                select key, payload_hash, destination_id, customer_id, created_by_us, ? as accepted_at
                from outcomes where accepted""",
                [now],
            )
        if operation is Operation.CHANGE:
            run(
                "update accepted set payload_hash = ? where key in (select supersedes from outcomes where accepted)",
                [SUPERSEDED],
            )

    def _follow_merges(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """A merge may give the record that stays another id; it is ours when all its parts were."""
        by_key = {row.key: row for row in batch.rows if row.merge_into is not None}
        for outcome in outcomes:
            if outcome.key in by_key and outcome.status == "accepted" and outcome.destination_id is not None:
                row = by_key[outcome.key]
                self._connection.execute(
                    """update accepted set destination_id = $stays, created_by_us = created_by_us and $ours
                    where destination_id in ($stays, $into)""",
                    {"stays": outcome.destination_id, "into": row.merge_into, "ours": row.created_by_us},
                )

    def _refuse(self, now: datetime) -> None:
        run = self._connection.execute
        refused = run(
            """select
                outcomes.key, outcomes.payload_hash, outcomes.operation, outcomes.error_class,
                1 + coalesce(rejected.tries, 0) as tries
            from outcomes
            left join rejected
                on outcomes.key = rejected.key
                and outcomes.operation = rejected.operation
                and outcomes.payload_hash is not distinct from rejected.payload_hash
            where not outcomes.accepted"""
        ).fetchall()
        run("delete from rejected where key in (select key from outcomes where not accepted)")
        run(
            "insert into rejected (key, payload_hash, operation, error_class, tries, next_attempt_at, rejected_at)"
            " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), $7",
            [
                *(list(column) for column in zip(*refused, strict=True)),
                [now + wait(error_class, tries) for *_, error_class, tries in refused],
                now,
            ],
        )

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
        with self._transaction("told", table):
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
        with self._transaction("cleared", _table({"key": list(keys or ())})):
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
    def _transaction(self, view: str, table: pa.Table) -> Iterator[None]:
        self._connection.register(view, table)
        try:
            with self._atomic():
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
    types = {"creates": pa.bool_(), "claimed_at": pa.timestamp("us")}
    return pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def utcnow() -> datetime:
    """Now, in UTC, as the ledger's timestamps have it: without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
