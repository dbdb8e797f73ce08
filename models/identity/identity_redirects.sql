with recursive

assignments as (
    select
        *,
        row_number() over (partition by source, record_id order by assigned_in desc) as recency
    from {{ ref('identity_assignments') }}
),

current_records as (
    select * from assignments
    where recency = 1 and customer_id is not null
),

current_ids as (
    select distinct customer_id from current_records
),

-- a record that once had the id leads to where the person is now: the one the id was made from, while it is there
traces as (
    select
        assignments.customer_id,
        assignments.customer_since,
        current_records.customer_id as current_customer_id,
        min(assignments.assigned_at) over (partition by assignments.customer_id) as issued_at,
        row_number() over (
            partition by assignments.customer_id
            order by
                case when current_records.customer_id is null then 1 else 0 end,
                case
                    when md5(assignments.source || ':' || assignments.record_id) = assignments.customer_id then 0
                    else 1
                end,
                assignments.assigned_in,
                assignments.source,
                assignments.record_id
        ) as place
    from assignments
    left join current_records
        on assignments.source = current_records.source and assignments.record_id = current_records.record_id
    where assignments.customer_id is not null
),

transitions as (
    select
        *,
        row_number() over (
            partition by old_id order by assigned_in desc, record_count desc, new_id asc
        ) as recency
    from {{ ref('int_identity__transitions') }}
    where old_id is not null and old_after = 0
),

-- who took in the last records of an id that is out of use
heirs as (
    select
        old_id as customer_id,
        new_id as heir_id
    from transitions
    where recency = 1 and new_id is not null
),

-- from heir to heir: each took the other in later than it was taken in itself, so this ends
successions as (
    select
        heirs.customer_id,
        heirs.heir_id
    from heirs
    inner join traces on heirs.customer_id = traces.customer_id
    where traces.place = 1 and traces.current_customer_id is null
    union all
    select
        successions.customer_id,
        heirs.heir_id
    from successions
    left join current_ids on successions.heir_id = current_ids.customer_id
    inner join heirs on successions.heir_id = heirs.customer_id
    where current_ids.customer_id is null
),

-- at most one for each id, for a line is followed no further than to who is there; none when nobody of it is left
living_heirs as (
    select
        successions.customer_id,
        successions.heir_id
    from successions
    inner join current_ids on successions.heir_id = current_ids.customer_id
),

redirects as (
    select
        traces.customer_id,
        coalesce(
            current_ids.customer_id, traces.current_customer_id, living_heirs.heir_id
        ) as current_customer_id,
        current_ids.customer_id is not null as is_current,
        traces.customer_since,
        traces.issued_at
    from traces
    left join current_ids on traces.customer_id = current_ids.customer_id
    left join living_heirs on traces.customer_id = living_heirs.customer_id
    where traces.place = 1
)

select * from redirects
