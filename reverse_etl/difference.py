# ruff: noqa: S608 - SQL is put together here, every name and value through reverse_etl.warehouse
"""Desired against accepted: which rows are due, which are withheld and why. All in SQL, on keys and hashes.

`accepted`, `rejected`, `claims`, `opt_outs` are the ledger's tables; the warehouse is attached read-only beside them.

One pass streams over the model, between two hash tables (the granted customers, and 16 bytes for each accepted key),
and keeps only what differs or may not be sent; all that follows looks at the rows that were kept. Figures:
benchmarks/reverse_etl.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from kinship.limits import warehouse_memory
from kinship.sql import literal, quoted
from reverse_etl.config import Sync
from reverse_etl.errors import ConfigurationError
from reverse_etl.gate import Gate, open_gate
from reverse_etl.ledger import CLEARED, SUPERSEDED
from reverse_etl.twins import follow_people
from reverse_etl.warehouse import has_table, one_row

REASONS = (
    "suppressed", "no_consent", "denied", "withdrawn", "unknown", "opted_out", "null_key", "duplicate_key", "backoff",
    "quota",
)  # fmt: skip
OPERATIONS = ("erase", "remove", "change", "add")
"""In the order of sending."""
FLOOR_MB, BYTES_PER_ROW = 256, 125
"""What the pass over the model may take: at ten million rows its two hash tables hold 1.4 GB."""


@dataclass(frozen=True)
class Difference:
    """The counts behind a plan. The due rows themselves wait in the connection's temporary table `due`."""

    desired: int
    """Rows of the sync model, withheld ones included."""
    accepted: int
    unchanged: int
    due: Mapping[str, int]
    """Due rows by operation."""
    withheld: dict[str, int]
    fields: tuple[str, ...]
    """The columns that are sent."""
    kinds: dict[str, str]
    """DuckDB's type of each of them."""
    again: int = 0
    """Changes that are due because somebody asked for a resync; whether they differ is not known."""

    @property
    def adds(self) -> int:
        return self.due["add"]

    @property
    def changes(self) -> int:
        return self.due["change"]

    @property
    def removals(self) -> int:
        return self.due["remove"]

    @property
    def erasures(self) -> int:
        return self.due["erase"]


def compute(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str, now: datetime) -> Difference:
    """Fill the temporary tables `due`, `wanting` and `adopted`, and count.

    `due` has one row per key that is to be sent or removed now, `wanting` also those that wait after a refusal;
    `adopted` the keys that go on under another customer_id.
    """
    columns = columns_of(connection, sync, catalog)
    fields = fields_of(sync, columns)
    gate = open_gate(connection, sync, catalog)
    (desired,) = one_row(connection, f"select count(*) from {relation(sync, catalog)}")
    (accepted,) = one_row(connection, "select count(*) from accepted")
    try:
        # left to itself, DuckDB fills half of the machine with blocks of the files it has read
        megabytes = FLOOR_MB + BYTES_PER_ROW * max(desired, accepted) // 2**20
        connection.execute(f"set memory_limit = '{megabytes}MiB'")
        # what it lets go of goes back to the machine at once: 0.4 GB less at ten million rows
        connection.execute(
            "set allocator_flush_threshold = '1MB'; set allocator_bulk_deallocation_flush_threshold = '16MB'"
        )
        states = _find(connection, sync, catalog, gate, columns, desired, now)
    except duckdb.OutOfMemoryException:
        # wide keys, a first run, or a model that is a view and takes a lot by itself
        connection.execute(f"set memory_limit = '{warehouse_memory()}'")
        states = _find(connection, sync, catalog, gate, columns, desired, now)
    finally:
        connection.execute(f"set memory_limit = '{warehouse_memory()}'")
    withheld = _withheld(connection, gate)
    connection.execute("delete from due where is_waiting")
    counts = dict(connection.execute("select operation, count(*) from due group by operation").fetchall())
    unchanged, again = one_row(
        connection,
        f"""select
            {states}
                - (select count(*) from decided where is_accepted or is_claimed)
                + (select count(*) from decided where decision = 'same'),
            (select count(*) from decided where decision = 'change' and accepted_hash = {literal(CLEARED)})""",
    )
    return Difference(
        desired=desired,
        accepted=accepted,
        unchanged=unchanged,
        due={operation: counts.get(operation, 0) for operation in OPERATIONS},
        withheld={reason: withheld[reason] for reason in REASONS if withheld.get(reason)},
        fields=fields,
        kinds={name: columns[name] for name in fields},
        again=again,
    )


def _find(
    connection: duckdb.DuckDBPyConnection,
    sync: Sync,
    catalog: str,
    gate: Gate,
    columns: dict[str, str],
    desired: int,
    now: datetime,
) -> int:
    """Fill all tables; returns how many keys the ledger knows."""
    (optimizers,) = one_row(connection, "select current_setting('disabled_optimizers')")
    # what is large is the stream, what it is compared with the hash table; the optimizer may think otherwise
    connection.execute("set disabled_optimizers = 'join_order,build_side_probe_side'")
    try:
        states = _compare(connection, sync, catalog, gate, columns, desired)
        _decide(connection, sync, catalog, gate)
    finally:
        connection.execute(f"set disabled_optimizers = {literal(optimizers)}")
    _line_up(connection)
    follow_people(connection, sync, catalog)
    _wait(connection, now)
    if sync.priority:
        connection.execute(
            f"""update due set priority = rows.priority
            from (
                select {key_sql(sync)} as key, try_cast({quoted(sync.priority)} as double) as priority
                from {relation(sync, catalog)}
            ) as rows
            where due.key = rows.key and due.operation in ('add', 'change')"""
        )
    return states


def _compare(
    connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str, gate: Gate, columns: dict[str, str], desired: int
) -> int:
    """Put every row of the model that may not be sent or was not accepted as it is, and every accepted key that the
    model lacks, into `touched`; returns how many keys the ledger knows.

    A key that is twice in the model is there with all its rows: that a key was met twice is seen by counting the pairs,
    for the ledger has each key once.
    """
    # keys that are looked at whatever their hash: a claim's fate is unknown
    connection.execute("create or replace temp table watched as select distinct hash(key) as spot from claims")
    (claims,) = one_row(connection, "select count(*) from claims")
    states, is_doubtful = _touch(connection, sync, catalog, gate, columns, desired, watches=claims > 0)
    if is_doubtful:
        keys = f"(select {key_sql(sync)} as key from {relation(sync, catalog)})"
        connection.execute(
            f"""insert into watched
            select hash(key) from {keys} where key is not null group by 1 having count(*) > 1
            except
            from watched"""
        )
        _touch(connection, sync, catalog, gate, columns, desired, watches=True)
    return states


def _touch(
    connection: duckdb.DuckDBPyConnection,
    sync: Sync,
    catalog: str,
    gate: Gate,
    columns: dict[str, str],
    desired: int,
    *,
    watches: bool,
) -> tuple[int, bool]:
    """One pass; how many keys the ledger knows, and whether the model has one of them twice.

    Two keys with one hash only make rows `touched` that need not be. Of two payloads with one hash of 64 bits under one
    key, one in 2^64 changes, the second would be overlooked.
    """
    known = _WATCHED if watches else "select hash(key) as spot, hash(payload_hash, customer_id) as print from accepted"
    connection.execute(
        f"""create or replace temp table touched as
        select
            coalesce(rows.spot, known.spot) as spot, rows.key, rows.customer_id,
            case when rows.is_allowed then rows.payload_hash end as payload_hash,
            coalesce(rows.is_allowed, false) as is_allowed, coalesce(rows.is_row, false) as is_row,
            known.spot is not null as is_known
        from (
            select
                *, case when key is not null then hash(key) end as spot, hash(payload_hash, customer_id) as print,
                {gate.allowed("key", "customer_id")} as is_allowed, true as is_row
            from ({_hashed(sync, columns, relation(sync, catalog))})
        ) as rows
        full outer join ({known}) as known on rows.spot = known.spot
        where not coalesce(rows.print = known.print and rows.is_allowed, false)"""
    )
    states, only_desired, only_known = one_row(
        connection,
        f"""select
            (select count(*) from ({known})),
            count(*) filter (is_row and not is_known), count(*) filter (is_known and not is_row)
        from touched""",
    )
    return int(states), desired - only_desired > states - only_known


# a record on its way from one key to another is under either of them: the claim of the new key speaks for it
_SETTLED = "from accepted anti join claims as moving on accepted.key = moving.moved_from"
# what is accepted and claimed under its own key; with the few claims as the hash table
_CLAIMED = f"select settled.key from ({_SETTLED}) as settled semi join claims on settled.key = claims.key"
_WATCHED = f"""
    select
        hash(settled.key) as spot,
        case when watched.spot is null then hash(settled.payload_hash, settled.customer_id) end as print
    from ({_SETTLED}) as settled
    left join watched on hash(settled.key) = watched.spot
    union all
    select hash(claims.key), null from claims anti join ({_CLAIMED}) as settled on claims.key = settled.key"""


def _decide(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str, gate: Gate) -> None:
    """Put every key that was touched or barred into `decided`, with what is to become of it."""
    redirects = (
        f"""select customer_id::varchar as customer_id, current_customer_id::varchar as current_id
        from {quoted(catalog)}.identity.identity_redirects where current_customer_id <> customer_id"""
        if has_table(connection, catalog, "identity", "identity_redirects")
        else "select null::varchar as customer_id, null::varchar as current_id where false"
    )
    change = "'change'" if sync.mode != "create" else "case when is_claimed then 'change' else 'same' end"
    connection.execute(
        f"""
        create or replace temp table desired as
        with sought as (
            -- who may not be sent and never was is no concern of ours, unless somebody else has the same key
            select distinct spot from touched where is_allowed or is_known
        )
        select
            key,
            count(*) as copies,
            count(*) filter (is_allowed) as allowed_copies,
            any_value(customer_id) as customer_id,
            any_value(payload_hash) as payload_hash
        from touched
        semi join sought on touched.spot = sought.spot
        where key is not null
        group by key;
        create or replace temp table state as
        select
            accepted.key, accepted.payload_hash, accepted.destination_id, accepted.customer_id, accepted.created_by_us,
            true as is_accepted, claims.key is not null as is_claimed,
            claims.operation as claimed_operation, claims.payload_hash as claimed_hash, claims.batch, claims.batch_rows,
            claims.moved_from
        from ({_SETTLED}) as accepted
        left join claims on accepted.key = claims.key
        where hash(accepted.key) in (select spot from touched where is_known or is_allowed)
        union all by name
        select
            claims.key, origin.payload_hash, claims.destination_id, claims.customer_id,
            claims.creates as created_by_us,
            origin.key is not null as is_accepted, true as is_claimed,
            claims.operation as claimed_operation, claims.payload_hash as claimed_hash, claims.batch, claims.batch_rows,
            claims.moved_from
        from claims
        anti join ({_CLAIMED}) as settled on claims.key = settled.key
        left join (from accepted semi join claims as moving on accepted.key = moving.moved_from) as origin
            on claims.moved_from = origin.key;
        create or replace temp table sides as
        select
            coalesce(desired.key, state.key) as key,
            desired.copies, desired.allowed_copies, desired.payload_hash,
            state.customer_id as accepted_for,
            -- the person that the accepted customer_id stands for today
            coalesce(redirects.current_id, state.customer_id) as holder,
            -- a key of unclear ownership stays only while the person it was sent for still agrees
            case when desired.copies = 1 then desired.customer_id else holder end as customer_id,
            coalesce(desired.copies = 1 and desired.allowed_copies = 1, false) as is_wanted,
            coalesce(state.is_accepted, false) as is_accepted,
            coalesce(state.is_claimed, false) as is_claimed,
            state.payload_hash as accepted_hash, state.destination_id,
            coalesce(state.created_by_us, false) as created_by_us,
            state.claimed_operation, state.claimed_hash, state.batch, state.batch_rows, state.moved_from
        from desired
        full outer join state on desired.key = state.key
        left join ({redirects}) as redirects on state.customer_id = redirects.customer_id;
        create or replace temp table asked as
        select distinct customer_id from sides where not is_wanted and customer_id is not null;
        create or replace temp table decided as
        with judged as (
            select
                sides.*,
                case
                    when is_wanted then 'granted' else {gate.verdict("key", "sides.customer_id", "consent.verdict")}
                end as verdict,
                (is_accepted or is_claimed) and ({gate.erased("key", "holder")}) as is_erased
            from sides
            left join ({gate.consents_sql("asked")}) as consent on sides.customer_id = consent.customer_id
        )
        select
            *,
            case
                when is_erased then 'erase'
                when is_wanted and not is_accepted then 'add'
                when is_wanted and (is_claimed or payload_hash <> accepted_hash) then {change}
                when is_wanted then 'same'
                when not is_accepted and not is_claimed then 'absent'
                when verdict <> 'granted' then 'remove'
                when copies > 1 then 'held'
                when accepted_hash = {literal(SUPERSEDED)} then 'remove'
                when not is_accepted or {"true" if sync.removes_leavers else "false"} then 'remove'
                else 'kept'
            end as decision
        from judged;
        drop table sides;
        create or replace temp table adopted as
        select key, customer_id from decided
        where decision in ('same', 'change') and accepted_for is distinct from customer_id;"""
    )


def _line_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Put what is to be sent into `due`."""
    connection.execute(
        f"""
        create or replace temp table due as
        select
            decided.key, decided.decision as operation,
            case when decided.decision in ('add', 'change') then decided.payload_hash end as payload_hash,
            decided.customer_id, null::double as priority, decided.destination_id, decided.created_by_us,
            decided.is_claimed,
            case
                when decided.decision = decided.claimed_operation
                    and (decided.decision in ('erase', 'remove') or decided.payload_hash = decided.claimed_hash)
                    then decided.batch
            end as claimed_batch,
            decided.batch_rows, decided.moved_from, null::varchar as merge_into,
            case
                when decided.decision = 'erase' then 'erased'
                when decided.decision <> 'remove' then null
                when decided.verdict <> 'granted' then decided.verdict
                when decided.accepted_hash = {literal(SUPERSEDED)} then 'superseded'
                else 'left'
            end as reason,
            false as is_waiting
        from decided
        where decided.decision in ('add', 'change', 'remove', 'erase')"""
    )


def _wait(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Mark the rows that the destination refused, as they are now, a while ago; all rows of `due` are `wanting`."""
    connection.execute(
        f"""
        update due set is_waiting = true
        from rejected
        where due.key = rejected.key
            and rejected.next_attempt_at > timestamp '{now}'
            -- a refusal from the future was put down by a clock that was wrong: its wait means nothing
            and rejected.rejected_at <= timestamp '{now}' + interval 5 minutes
            and case
                when due.operation in ('erase', 'remove') then rejected.operation = due.operation
                else rejected.operation in ('add', 'change') and rejected.payload_hash = due.payload_hash
            end;
        create or replace temp table wanting as select key from due;"""
    )


def _withheld(connection: duckdb.DuckDBPyConnection, gate: Gate) -> dict[str, int]:
    return dict(
        connection.execute(
            f"""
            with barred as materialized (from touched where is_row and not is_allowed)
            select {gate.verdict("barred.key", "barred.customer_id", "consent.verdict")} as reason, count(*)
            from barred
            left join ({gate.consents_sql("barred")}) as consent on barred.customer_id = consent.customer_id
            where barred.key is not null
            group by reason
            union all
            select 'null_key', count(*) from touched where is_row and key is null
            union all
            select 'duplicate_key', coalesce(sum(allowed_copies), 0)::bigint from desired where copies > 1
            union all
            select 'backoff', count(*) from due where is_waiting
            """
        ).fetchall()
    )


def sending_order(due: str = "due") -> str:
    """The order of sending, in SQL over the columns of `due`."""
    operations = ", ".join(f"{due}.operation = '{operation}' desc" for operation in OPERATIONS)
    return f"{operations}, {due}.claimed_batch nulls last, {due}.priority desc nulls last, {due}.key"


def gated_sql(sync: Sync, columns: dict[str, str], source: str, gate: Gate) -> str:
    """Key, hash and verdict of every row of `source` (the model, or some rows of it), as of now."""
    consents = gate.consents_sql(f"(select customer_id::varchar as customer_id from {source})")
    return f"""
        select rows.*, {gate.verdict("rows.key", "rows.customer_id", "consent.verdict")} as verdict
        from ({_hashed(sync, columns, source)}) as rows
        left join ({consents}) as consent on rows.customer_id = consent.customer_id"""


def _hashed(sync: Sync, columns: dict[str, str], source: str) -> str:
    """Key, customer and hash of the rendered payload.

    The hash must come out the same in every version and on every target, or everything would be sent again: md5 of the
    fields as JSON, in the order of their names.
    """
    kind = sync.destination_class
    fields = sorted(fields_of(sync, columns))
    payload = ", ".join(f"{literal(name)}: {kind.render(quoted(name), columns[name])}" for name in fields)
    return f"""select
        {key_sql(sync)} as key, customer_id::varchar as customer_id,
        md5(to_json({{{payload}}})::varchar) as payload_hash
    from {source}"""


def relation(sync: Sync, catalog: str) -> str:
    """The sync model's table, quoted."""
    return f"{quoted(catalog)}.{quoted(sync.schema_name)}.{quoted(sync.table)}"


def key_sql(sync: Sync) -> str:
    """The key as the ledger has it: trimmed, never empty, and in lower case where the destination ignores case."""
    text = f"{quoted(sync.key)}::varchar"
    # `trim` walks through every character, 0.1 s of CPU time for a million keys; hardly one has a blank at its ends
    trimmed = f"case when starts_with({text}, ' ') or ends_with({text}, ' ') then trim({text}) else {text} end"
    key = f"nullif({trimmed}, '')"
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
