# ruff: noqa: S608 - SQL is put together here from our own names
"""People whose key changed, and people who turned out to be one: their old record is not left behind as a twin.

`decided` says what would become of each key by itself; this looks at the keys of one person together, and changes
`due`. An accepted record belongs to whom its customer_id stands for today (`holder`).
"""

import duckdb

from kinship.sql import literal, quoted
from reverse_etl.config import Sync
from reverse_etl.ledger import SUPERSEDED
from reverse_etl.warehouse import one_row


def follow_people(connection: duckdb.DuckDBPyConnection, sync: Sync, catalog: str) -> None:
    """Let records move on to a person's new key, and take back the records of people who became part of another.

    Only where the model has one row per person: of a person's many deals, one that went and one that came are not the
    same.
    """
    connection.execute(_CANDIDATES)
    if not one_row(connection, "select exists(from moving) or exists(from merging)")[0]:
        return
    model = f"{quoted(catalog)}.{quoted(sync.schema_name)}.{quoted(sync.table)}"
    rows = f"select customer_id from {model} where {quoted(sync.key)} is not null and customer_id is not null"
    # 64-bit hashes, a third of the memory, answer for nearly every model
    for value in ("hash(customer_id)", "customer_id"):
        if not one_row(connection, f"select exists(select 1 from ({rows}) group by {value} having count(*) > 1)")[0]:
            break
    else:
        return
    connection.execute(_MOVES)
    connection.execute(_MERGES)
    merges = sync.destination_class.can_merge
    connection.execute(
        f"""
        create or replace temp table merged as
        select merging.*, {"survivors.record" if merges else "null::varchar"} as merge_into
        from merging
        inner join survivors on merging.customer_id = survivors.customer_id
        -- what we did not make is taken back only by merging it, or because it would be removed anyhow
        where {"(survivors.record is not null)" if merges else "false"}
            or merging.created_by_us or merging.decision = 'remove';
        update due set merge_into = merged.merge_into, reason = 'merged' from merged where due.key = merged.key;
        insert into due by name
        select
            key, 'remove' as operation, customer_id, destination_id, created_by_us, is_claimed, merge_into,
            'merged' as reason, false as is_waiting
        from merged where decision = 'kept' and key not in (select key from due);
        """
    )


# Leaving: accepted, not in the model any more, and neither refused nor taken back for another reason.
_CANDIDATES = f"""
    create or replace temp table leaving as
    select
        key, decision, holder as customer_id, destination_id, created_by_us, is_claimed,
        coalesce(moved_from, key) as accepted_key, accepted_for <> holder as is_retired
    from decided
    where is_accepted and copies is null and verdict = 'granted' and decision in ('kept', 'remove')
        and accepted_hash <> {literal(SUPERSEDED)};
    create or replace temp table arriving as
    select customer_id, any_value(key) as key from decided where decision = 'add'
    group by customer_id having count(*) = 1;
    create or replace temp table moving as
    from leaving semi join arriving on leaving.customer_id = arriving.customer_id;
    create or replace temp table merging as from leaving where is_retired;
"""

# One key of a person left and one came: the key changed. Where the destination has its own id for the record, the
# record goes on under the new key; where it has not, the old key is removed, also when leavers are kept: it would be
# a twin. Of the records of people who became one, the one of whose customer_id it still is goes on.
_MOVES = """
    create or replace temp table moves as
    select
        moving.key as old_key, moving.accepted_key, arriving.key as new_key, moving.customer_id, moving.destination_id,
        moving.created_by_us, moving.is_claimed
    from moving
    inner join arriving on moving.customer_id = arriving.customer_id
    qualify row_number() over (partition by moving.customer_id order by is_retired, moving.key) = 1
        and count(*) filter (not is_retired) over (partition by moving.customer_id) <= 1;
    update due set
        operation = 'change', moved_from = moves.accepted_key, destination_id = moves.destination_id,
        created_by_us = moves.created_by_us, claimed_batch = null
    from moves where due.key = moves.new_key and moves.destination_id is not null;
    delete from due where key in (select old_key from moves where destination_id is not null);
    update due set reason = 'moved' from moves where due.key = moves.old_key;
    insert into due by name
    select
        old_key as key, 'remove' as operation, customer_id, created_by_us, is_claimed, 'moved' as reason,
        false as is_waiting
    from moves
    where destination_id is null and old_key not in (select key from due);
    delete from merging where key in (select old_key from moves);
"""

# The record that stays: the one that the model wants (it was accepted, or moves on), else the one that is kept.
_MERGES = """
    create or replace temp table survivors as
    with staying as (
        select customer_id, coalesce(destination_id, key) as record, 1 as rank from decided
        where decision in ('same', 'change') and is_accepted
        union all
        select accepted.customer_id, coalesce(accepted.destination_id, accepted.key), 1 from accepted
        semi join merging on accepted.customer_id = merging.customer_id
        anti join decided on accepted.key = decided.key
        union all
        select customer_id, destination_id, 1 from moves
        union all
        select customer_id, coalesce(destination_id, key), 2 from leaving
        where not is_retired and decision = 'kept' and key not in (select old_key from moves)
    ),
    first_rank as (
        select * from staying qualify rank = min(rank) over (partition by customer_id)
    )
    select customer_id, any_value(record) as record from first_rank group by customer_id having count(*) = 1;
"""
