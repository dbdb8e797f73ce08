with

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
                case when md5(assignments.source || ':' || assignments.record_id) = assignments.customer_id then 0 else 1 end,
                assignments.assigned_in, assignments.source, assignments.record_id
        ) as place
    from assignments
    left join current_records
        on assignments.source = current_records.source and assignments.record_id = current_records.record_id
    where assignments.customer_id is not null
),

redirects as (
    select
        traces.customer_id,
        coalesce(current_ids.customer_id, traces.current_customer_id) as current_customer_id,
        current_ids.customer_id is not null as is_current,
        traces.customer_since,
        traces.issued_at
    from traces
    left join current_ids on traces.customer_id = current_ids.customer_id
    where traces.place = 1
)

select * from redirects
