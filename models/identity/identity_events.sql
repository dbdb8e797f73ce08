with

transitions as (
    select * from {{ ref('int_identity__transitions') }}
),

-- an id that had no record before: new out of nothing, or out of another person
arrivals as (
    select
        *,
        max(case when old_id is not null then 1 else 0 end) over (partition by assigned_in, new_id) as has_origin
    from transitions
    where new_id is not null
),

named as (
    select
        case
            when old_id is null and new_before = 0 and has_origin = 0 then 'created'
            when old_id is null then 'joined'
            when old_after = 0 and new_before > 0 then 'merged'
            when new_before = 0 then 'split'
            else 'moved'
        end as event_type,
        new_id as customer_id,
        old_id as other_customer_id,
        record_count,
        assigned_in,
        assigned_at
    from arrivals
    union all
    -- records that are gone, and with the last of them the person
    select
        case when old_after = 0 then 'retired' else 'lost' end as event_type,
        old_id as customer_id,
        cast(null as {{ dbt.type_string() }}) as other_customer_id,
        record_count,
        assigned_in,
        assigned_at
    from transitions
    where new_id is null and old_id is not null
),

events as (
    select
        md5(
            assigned_in || ':' || event_type || ':' || customer_id || ':' || coalesce(other_customer_id, '')
        ) as identity_event_id,
        event_type,
        customer_id,
        other_customer_id,
        cast(record_count as bigint) as record_count,
        assigned_in,
        assigned_at as occurred_at
    from named
    -- a record that joins a person it was never apart from is no event of the person
    where event_type not in ('joined', 'lost')
)

select * from events
