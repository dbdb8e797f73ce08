"""The records of a journal brought into the ledger's tables, many batches in one transaction."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from kinship.sql import literal
from reverse_etl.backoff import wait
from reverse_etl.destination import Operation
from reverse_etl.errors import LedgerError
from reverse_etl.journal import About, Kind, Record
from reverse_etl.outcomes import CLAIMS, OUTCOMES, RELEASED

SUPERSEDED = ""
"""In place of a payload's hash: the person has another record under another key, this one is to be taken back."""

OPTED_OUT = "opted_out"
"""The error class of a row whose person unsubscribed at the destination."""

_SCHEMAS: dict[Kind, pa.Schema] = {"claims": CLAIMS, "outcomes": OUTCOMES, "released": RELEASED}


def fold(connection: duckdb.DuckDBPyConnection, about: About, records: Sequence[Record]) -> tuple[About, int]:
    """Bring the tables up to what the records say; the next journal's `About`, and how many people among the refused
    are newly known to have unsubscribed. Raises LedgerError when the file cannot be written."""
    opted_out = 0
    following = replace(about, id=uuid.uuid4().hex)
    said = _in_order(records, "outcomes")
    with (
        atomic(connection),
        registered(connection, "claimed", _in_order(records, "claims")),
        registered(connection, "released", _in_order(records, "released")),
    ):
        with registered(connection, "outcomes", said):
            _claims(connection)
        for operation in Operation:
            told = said.filter(pc.equal(said["operation"], operation))
            if told.num_rows:
                with registered(connection, "outcomes", told):
                    opted_out += _answers(connection, about, operation)
        connection.execute("update journal set id = ?", [following.id])
    return following, opted_out


def _in_order(records: Sequence[Record], kind: Kind) -> pa.Table:
    """The rows of all records of a kind, with the position of their record."""
    tables = [
        record.table.append_column("seq", pa.repeat(pa.scalar(seq, pa.int64()), record.table.num_rows))
        for seq, record in enumerate(records)
        if record.kind == kind
    ]
    return pa.concat_tables(tables or [_SCHEMAS[kind].append(pa.field("seq", pa.int64())).empty_table()])


def _claims(connection: duckdb.DuckDBPyConnection) -> None:
    """Claims that a later record neither answered, nor made void, nor took the place of.

    A claim of the old key names the record that has the new key now.
    """
    connection.execute(
        """create or replace temp table ended as
        select key, max(seq) as seq
        from (
            select key, seq from claimed
            union all
            select moved_from, seq from claimed where moved_from is not null
            union all
            select key, seq from outcomes where not keeps_claim
            union all
            select moved_from, seq from outcomes where accepted and moved_from is not null
            union all
            select key, seq from released
        )
        group by key;
        create or replace temp table moving as
        select moved_from, max(seq) as seq from claimed where moved_from is not null group by moved_from;
        delete from claims
        where key in (select key from ended) or moved_from in (select moved_from from moving);
        insert into claims by name
        select claimed.* exclude (seq)
        from claimed
        inner join ended on claimed.key = ended.key
        left join moving on claimed.moved_from = moving.moved_from
        where ended.seq <= claimed.seq and coalesce(moving.seq <= claimed.seq, true);
        drop table ended;
        drop table moving;"""
    )


def _answers(connection: duckdb.DuckDBPyConnection, about: About, operation: Operation) -> int:
    """What the destination said to rows of one operation; how many people opted out."""
    run = connection.execute
    run("delete from accepted where key in (select unnest([key, moved_from]) from outcomes where accepted)")
    if operation in (Operation.ADD, Operation.CHANGE):
        run(
            """insert into accepted by name
            select key, payload_hash, destination_id, customer_id, created_by_us, recorded_at as accepted_at
            from outcomes where accepted"""
        )
        run(
            "update accepted set payload_hash = ? where key in (select supersedes from outcomes where accepted)",
            [SUPERSEDED],
        )
    _follow_merges(connection)
    run("delete from rejected where key in (select key from outcomes where accepted)")
    _refuse(connection)
    opted_out = remember_opt_outs(
        connection,
        f"""select key, customer_id, {literal(about.channel)} as channel, recorded_at as opted_out_at, recorded_at
        from outcomes where error_class = {literal(OPTED_OUT)}""",  # noqa: S608 - quoted
        "send",
    )
    run(
        """insert into results by name
        select
            $1 as run_id, $2 as sync, sha256(key) as key_hash, customer_id, operation,
            case when accepted then 'accepted' else 'rejected' end as outcome, error_class, recorded_at
        from outcomes""",
        [about.run_id, about.sync],
    )
    counts = {Operation.ADD: "added", Operation.CHANGE: "changed", Operation.REMOVE: "removed"}
    count = counts.get(operation, "erased")
    run(
        f"""update runs set
            {count} = runs.{count} + told.accepted, refused = runs.refused + told.refused,
            calls = greatest(runs.calls, told.calls)
        from (
            select
                count(*) filter (accepted) as accepted, count(*) filter (not accepted) as refused, max(calls) as calls
            from outcomes
        ) as told
        where run_id = ?""",  # noqa: S608 - our own words
        [about.run_id],
    )
    return opted_out


def _follow_merges(connection: duckdb.DuckDBPyConnection) -> None:
    """A merge may give the record that stays another id; it is ours when all its parts were."""
    merges = connection.execute(
        """select merged_id, merge_into, created_by_us from outcomes
        where accepted and merge_into is not null and merged_id is not null order by seq"""
    ).fetchall()
    for stays, into, ours in merges:
        connection.execute(
            """update accepted set destination_id = $stays, created_by_us = created_by_us and $ours
            where destination_id in ($stays, $into)""",
            {"stays": stays, "into": into, "ours": ours},
        )


def _refuse(connection: duckdb.DuckDBPyConnection) -> None:
    """Put refused rows down in `rejected`, each with the time of its next attempt."""
    run = connection.execute
    refused = run(
        """select
            outcomes.key, outcomes.payload_hash, outcomes.operation, outcomes.error_class,
            1 + coalesce(rejected.tries, 0) as tries, outcomes.recorded_at
        from outcomes
        left join rejected
            on outcomes.key = rejected.key
            and outcomes.operation = rejected.operation
            and outcomes.payload_hash is not distinct from rejected.payload_hash
        where not outcomes.accepted"""
    ).fetchall()
    if not refused:
        return
    run("delete from rejected where key in (select key from outcomes where not accepted)")
    run(
        "insert into rejected (key, payload_hash, operation, error_class, tries, rejected_at, next_attempt_at)"
        " select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7)",
        [
            *(list(column) for column in zip(*refused, strict=True)),
            [at + wait(error_class, tries) for *_, error_class, tries, at in refused],
        ],
    )


def remember_opt_outs(connection: duckdb.DuckDBPyConnection, told: str, source: str) -> int:
    """Put down who unsubscribed; how many we did not know of yet. `told` is SQL that gives key, customer_id, channel,
    opted_out_at and recorded_at; `source` says how we learned it."""
    fresh = connection.execute(
        f"""insert into opt_outs by name
        select
            key, any_value(customer_id) as customer_id, channel, min(opted_out_at) as opted_out_at,
            max(recorded_at) as seen_at, ? as source, false as told
        from ({told}) as told
        anti join opt_outs using (key, channel)
        group by key, channel
        returning key""",  # noqa: S608 - our own words
        [source],
    )
    return len(fresh.fetchall())


@contextlib.contextmanager
def registered(connection: duckdb.DuckDBPyConnection, view: str, table: pa.Table) -> Iterator[None]:
    """The table under the name `view`."""
    connection.register(view, table)
    try:
        yield
    finally:
        with contextlib.suppress(duckdb.Error):
            connection.unregister(view)


@contextlib.contextmanager
def atomic(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction. Raises LedgerError when the file cannot be written."""
    with written():
        connection.execute("begin")
        try:
            yield
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                connection.execute("rollback")
            raise
        connection.execute("commit")


@contextlib.contextmanager
def written() -> Iterator[None]:
    """A full disk is no fault of the program: say what to do. What was committed before is on the disk."""
    try:
        yield
    except (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException, OSError) as error:
        raise LedgerError(
            f"the ledger cannot be written ({str(error).splitlines()[0]}): make room on its disk, then run again; "
            "nothing that the destination accepted is forgotten, rows of unknown fate are settled by the next run"
        ) from None
