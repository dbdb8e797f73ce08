# ruff: noqa: S608 - SQL is put together here, every name and value through reverse_etl.warehouse
"""Desired against accepted: which rows are due, which are withheld and why. All in SQL, on keys and hashes.

`accepted`, `rejected`, `claims` are the ledger's tables; the warehouse is attached read-only beside them.
"""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reverse_etl.config import Sync
from reverse_etl.errors import ConfigurationError
from reverse_etl.ledger import CLEARED, SUPERSEDED
from reverse_etl.warehouse import literal, one_row, quoted

# One key of a person left and one came: the key changed. Where the destination has its own id for the record, the
# record goes on under the new key; where it has not, the old key is removed, also when leavers are kept: it would be
# a twin.
_MOVES = """
        create or replace temp table moves as
        select
            leaving.key as old_key, coalesce(leaving.moved_from, leaving.key) as accepted_key,
            arriving.key as new_key, leaving.accepted_for as customer_id,
            leaving.destination_id, leaving.created_by_us
        from decided as leaving
        inner join decided as arriving on leaving.accepted_for = arriving.customer_id and arriving.decision = 'add'
        where leaving.is_accepted and leaving.copies is null and leaving.decision in ('kept', 'remove')
        qualify count(*) over (partition by leaving.accepted_for) = 1;
        update due set
            operation = 'change', moved_from = moves.accepted_key, destination_id = moves.destination_id,
            created_by_us = moves.created_by_us, claimed_batch = null
        from moves where due.key = moves.new_key and moves.destination_id is not null;
        delete from due where key in (select old_key from moves where destination_id is not null);
        insert into due by name
        select
            old_key as key, 'remove' as operation, customer_id, false as created_by_us, false as is_claimed,
            false as is_waiting
        from moves
        where destination_id is null and old_key not in (select key from due);
"""

REASONS = (
    "no_consent", "denied", "withdrawn", "unknown", "opted_out", "null_key", "duplicate_key", "backoff", "quota",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The counts behind a plan. The due rows themselves wait in the connection's temporary table `due`."""

    desired: int
    """Rows of the sync model, withheld ones included."""
    accepted: int
    unchanged: int
    adds: int
    changes: int
    removals: int
    withheld: dict[str, int]
    fields: tuple[str, ...]
    """The columns that are sent."""
    kinds: dict[str, str]
    """DuckDB's type of each of them."""
    again: int = 0
    """Changes that are due because somebody asked for a resync; whether they differ is not known."""


def compute(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str, now: datetime) -> Difference:
    """Fill the temporary tables `due`, `wanting` and `adopted`, and count.

    `due` has one row per key that is to be sent or removed now, `wanting` also those that wait after a refusal;
    `adopted` the keys that go on under another customer_id.
    """
    columns = columns_of(connection, sync, catalog)
    fields = fields_of(sync, columns)
    consents = consents_sql(connection, sync, catalog)
    connection.execute(
        f"""
        create or replace temp table consent as {consents};
        create or replace temp table opted as
        select distinct lower(key) as key from opt_outs where {opt_out_condition(sync)};
        create or replace temp table gated as {gated_sql(sync, columns, relation(sync, catalog), "consent")};
        create or replace temp table desired as
        select
            key,
            count(*) as copies,
            count(*) filter (verdict = 'granted') as granted_copies,
            any_value(customer_id) as customer_id,
            any_value(payload_hash) as payload_hash,
            any_value(priority) as priority,
            any_value(verdict) as verdict
        from gated
        where key is not null
        group by key;
        -- a record on its way from one key to another is under either of them: the claim of the new key speaks for it
        create or replace temp table settled as
        from accepted anti join claims on accepted.key = claims.moved_from;
        create or replace temp table state as
        select
            accepted.key, accepted.payload_hash, accepted.destination_id, accepted.customer_id, accepted.created_by_us,
            true as is_accepted, claims.key is not null as is_claimed,
            claims.operation as claimed_operation, claims.payload_hash as claimed_hash, claims.batch, claims.batch_rows,
            claims.moved_from
        from settled as accepted
        left join claims on accepted.key = claims.key
        union all by name
        select
            claims.key, origin.payload_hash, claims.destination_id, claims.customer_id,
            claims.creates as created_by_us,
            origin.key is not null as is_accepted, true as is_claimed,
            claims.operation as claimed_operation, claims.payload_hash as claimed_hash, claims.batch, claims.batch_rows,
            claims.moved_from
        from claims
        anti join settled on claims.key = settled.key
        left join accepted as origin on claims.moved_from = origin.key;
        create or replace temp table decided as
        with sides as (
            select
                coalesce(desired.key, state.key) as key,
                desired.copies, desired.payload_hash, desired.priority,
                case when desired.copies = 1 then desired.customer_id else state.customer_id end as customer_id,
                state.customer_id as accepted_for,
                coalesce(desired.copies = 1 and desired.verdict = 'granted', false) as is_wanted,
                -- a key of unclear ownership stays only while the person it was sent for still agrees
                case
                    when opted.key is not null then 'opted_out'
                    when desired.copies = 1 then desired.verdict
                    else coalesce(holder.verdict, 'no_consent')
                end as verdict,
                coalesce(state.is_accepted, false) as is_accepted,
                coalesce(state.is_claimed, false) as is_claimed,
                state.payload_hash as accepted_hash, state.destination_id,
                coalesce(state.created_by_us, false) as created_by_us,
                state.claimed_operation, state.claimed_hash, state.batch, state.batch_rows, state.moved_from
            from desired
            full outer join state on desired.key = state.key
            left join consent as holder on state.customer_id = holder.customer_id
            left join opted on lower(coalesce(desired.key, state.key)) = opted.key
        )
        select
            *,
            case
                when is_wanted and not is_accepted then 'add'
                when is_wanted and (is_claimed or payload_hash <> accepted_hash)
                    then {"'change'" if sync.mode != "create" else "case when is_claimed then 'change' else 'same' end"}
                when is_wanted then 'same'
                when not is_accepted and not is_claimed then 'absent'
                when verdict <> 'granted' then 'remove'
                when copies > 1 then 'held'
                when accepted_hash = {literal(SUPERSEDED)} then 'remove'
                when not is_accepted or {"true" if sync.removes_leavers else "false"} then 'remove'
                else 'kept'
            end as decision
        from sides;
        create or replace temp table adopted as
        select key, customer_id from decided
        where decision in ('same', 'change') and accepted_for is distinct from customer_id;
        create or replace temp table due as
        select
            decided.key, decided.decision as operation,
            case when decided.decision = 'remove' then null else decided.payload_hash end as payload_hash,
            decided.customer_id, decided.priority, decided.destination_id, decided.created_by_us,
            decided.is_claimed,
            case
                when decided.decision = decided.claimed_operation
                    and (decided.decision = 'remove' or decided.payload_hash = decided.claimed_hash)
                    then decided.batch
            end as claimed_batch,
            decided.batch_rows, decided.moved_from,
            coalesce(
                rejected.next_attempt_at > timestamp '{now}'
                -- a refusal from the future was put down by a clock that was wrong: its wait means nothing
                and rejected.rejected_at <= timestamp '{now}' + interval 5 minutes
                and (rejected.operation = 'remove') = (decided.decision = 'remove')
                and (decided.decision = 'remove' or rejected.payload_hash = decided.payload_hash),
                false
            ) as is_waiting
        from decided
        left join rejected on decided.key = rejected.key
        where decided.decision in ('add', 'change', 'remove');
        {_MOVES}
        create or replace temp table wanting as select key from due;
        """
    )
    withheld = dict(
        connection.execute(
            """
            select case when key is null then 'null_key' else verdict end as reason, count(*) from gated
            where key is null or verdict <> 'granted' group by reason
            union all
            select 'duplicate_key', sum(granted_copies)::bigint from desired where copies > 1 and granted_copies > 0
            having count(*) > 0
            union all
            select 'backoff', count(*) from due where is_waiting having count(*) > 0
            """
        ).fetchall()
    )
    connection.execute("delete from due where is_waiting")
    counts = dict(connection.execute("select operation, count(*) from due group by operation").fetchall())
    desired, accepted, unchanged, again = one_row(
        connection,
        f"""select
            (select count(*) from gated), (select count(*) from accepted),
            (select count(*) from decided where decision = 'same'),
            (select count(*) from decided where decision = 'change' and accepted_hash = {literal(CLEARED)})""",
    )
    return Difference(
        desired=desired,
        accepted=accepted,
        unchanged=unchanged,
        adds=counts.get("add", 0),
        changes=counts.get("change", 0),
        removals=counts.get("remove", 0),
        withheld={reason: withheld[reason] for reason in REASONS if reason in withheld},
        fields=fields,
        kinds={name: columns[name] for name in fields},
        again=again,
    )


def gated_sql(sync: Sync, columns: dict[str, str], source: str, consent: str) -> str:
    """Key, hash and verdict of every row of `source` (the model, or some rows of it); `consent` is what `consents_sql`
    gives. Needs the temporary table `opted`."""
    kind = sync.destination_class
    fields = sorted(fields_of(sync, columns))
    payload = ", ".join(f"{literal(name)}: {kind.render(quoted(name), columns[name])}" for name in fields)
    priority = f"try_cast({quoted(sync.priority)} as double)" if sync.priority else "null::double"
    return f"""
        select
            rows.*,
            case when opted.key is not null then 'opted_out' else coalesce(consent.verdict, 'no_consent') end as verdict
        from (
            select
                customer_id::varchar as customer_id,
                {key_sql(sync)} as key,
                md5(to_json({{{payload}}})::varchar) as payload_hash,
                {priority} as priority
            from {source}
        ) as rows
        left join {consent} as consent on rows.customer_id = consent.customer_id
        left join opted on lower(rows.key) = opted.key"""


def opt_out_condition(sync: Sync) -> str:
    """Which opt-outs count for the sync: those of its channel, or all if it has none."""
    return f"channel in ({literal(sync.channel)}, 'any')" if sync.channel else "true"


def relation(sync: Sync, catalog: str) -> str:
    """The sync model's table, quoted."""
    return f"{quoted(catalog)}.{quoted(sync.schema_name)}.{quoted(sync.table)}"


def key_sql(sync: Sync) -> str:
    """The key as the ledger has it: trimmed, never empty, and in lower case where the destination ignores case."""
    key = f"nullif(trim({quoted(sync.key)}::varchar), '')"
    return f"lower({key})" if sync.destination_class.ignores_case(sync.key) else key


def columns_of(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str) -> dict[str, str]:
    """The model's columns with DuckDB's type of each. Raises ConfigurationError when it was not built."""
    try:
        rows = connection.execute(f"describe {relation(sync, catalog)}").fetchall()
    except duckdb.CatalogException:
        raise ConfigurationError(
            f"{sync.file}: {sync.schema_name}.{sync.table} is not in the warehouse; "
            f"build it first: dbt build -s {sync.name}"
        ) from None
    return {row[0]: row[1] for row in rows}


def fields_of(sync: Sync, columns: dict[str, str]) -> tuple[str, ...]:
    """What is sent: every column but customer_id and those that begin with an underscore."""
    fields = tuple(name for name in columns if name != "customer_id" and not name.startswith("_"))
    for place, name in (("key", sync.key), ("priority", sync.priority), ("", "customer_id")):
        if name is not None and name not in columns:
            where = f"meta.sync.{place} names" if place else "the model needs"
            raise ConfigurationError(
                f"{sync.file}: {where} the column {name!r}, which the model does not have; it has {', '.join(columns)}"
            )
    if sync.key not in fields:
        raise ConfigurationError(
            f"{sync.file}: the key {sync.key!r} is not sent (customer_id and columns beginning with _ stay in "
            "the house); select it again under the destination's name"
        )
    return fields


def consents_sql(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str) -> str:
    """One verdict per customer for the sync's purpose: 'granted', or why not. Whoever is missing has none."""
    consents = f"{quoted(catalog)}.customers.customer_consents"
    try:
        names = {row[0] for row in connection.execute(f"describe {consents}").fetchall()}
    except duckdb.CatalogException:
        raise ConfigurationError(
            "customers.customer_consents is not in the warehouse: without consents nothing is sent; "
            "build it first: dbt build -s customer_consents"
        ) from None
    if missing := {"customer_id", "purpose", "channel", "status"} - names:
        raise ConfigurationError(
            f"customers.customer_consents lacks {', '.join(sorted(missing))}: nothing is sent without"
        )
    channel = f"and channel = {literal(sync.channel)}" if sync.channel else ""
    # one channel asked for: every statement about it must be a grant; none asked for: one grant, and nobody said no
    undecided = (
        "count(*) filter (status is distinct from 'granted') > 0"
        if sync.channel
        else "count(*) filter (status = 'granted') = 0"
    )
    return f"""
        select
            customer_id::varchar as customer_id,
            case
                when count(*) filter (status = 'withdrawn') > 0 then 'withdrawn'
                when count(*) filter (status = 'denied') > 0 then 'denied'
                when {undecided} then 'unknown'
                else 'granted'
            end as verdict
        from {consents}
        where purpose = {literal(sync.purpose)} {channel}
        group by 1"""
