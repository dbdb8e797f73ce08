with

assignments as (
    select * from {{ ref('identity_assignments') }}
),

moves as (
    select
        assigned_in,
        assigned_at,
        source,
        record_id,
        customer_id as new_id,
        lag(customer_id) over (partition by source, record_id order by assigned_in) as old_id
    from assignments
),

balances as (
    select
        assigned_in,
        new_id as customer_id,
        1 as records
    from moves
    where new_id is not null
    union all
    select
        assigned_in,
        old_id as customer_id,
        -1 as records
    from moves
    where old_id is not null
),

changes as (
    select
        assigned_in,
        customer_id,
        sum(records) as records
    from balances
    group by assigned_in, customer_id
),

-- how many records each id has after a batch that touched it, and had before
holdings as (
    select
        assigned_in,
        customer_id,
        sum(records) over (partition by customer_id order by assigned_in) as records_after,
        sum(records) over (partition by customer_id order by assigned_in) - records as records_before,
        row_number() over (partition by customer_id order by assigned_in) as appearance
    from changes
),

transitions as (
    select
        moves.assigned_in,
        moves.new_id,
        moves.old_id,
        min(moves.assigned_at) as assigned_at,
        count(*) as record_count,
        max(news.records_before) as new_before,
        max(news.appearance) as new_appearance,
        max(olds.records_after) as old_after
    from moves
    left join holdings as news on moves.assigned_in = news.assigned_in and moves.new_id = news.customer_id
    left join holdings as olds on moves.assigned_in = olds.assigned_in and moves.old_id = olds.customer_id
    group by moves.assigned_in, moves.new_id, moves.old_id
)

select * from transitions
