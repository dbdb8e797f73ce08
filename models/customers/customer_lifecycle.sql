with

contacts as (
    select * from {{ ref('int_customers__first_contacts') }}
),

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

-- every moment at which somebody may change; of two at one moment the one of the higher rank holds
moments as (
    select
        customer_id,
        'visitor' as stage,
        first_seen_at as entered_at,
        -1 as stage_rank
    from contacts
    union all
    select
        customer_id,
        'lead' as stage,
        identified_at as entered_at,
        0 as stage_rank
    from contacts
    where identified_at is not null
    union all
    select
        customer_id,
        case
            when order_place = 1 then 'first_order'
            -- an order at the very moment of lapsing comes in time
            when ordered_at > {{ lapses_at('previous_order_at') }} then 'won_back'
            else 'active'
        end as stage,
        ordered_at as entered_at,
        order_place as stage_rank
    from orders
    union all
    select
        customer_id,
        'at_risk' as stage,
        {{ at_risk_at('ordered_at') }} as entered_at,
        order_place as stage_rank
    from orders
    where next_order_at is null or next_order_at > {{ at_risk_at('ordered_at') }}
    union all
    select
        customer_id,
        'lapsed' as stage,
        {{ lapses_at('ordered_at') }} as entered_at,
        order_place as stage_rank
    from orders
    where next_order_at is null or next_order_at > {{ lapses_at('ordered_at') }}
),

reached as (
    select
        *,
        row_number() over (partition by customer_id, entered_at order by stage_rank desc) as precedence,
        -- being seen, or telling an address, is nothing new of somebody who has ordered
        max(stage_rank) over (
            partition by customer_id order by entered_at, stage_rank
            rows between unbounded preceding and 1 preceding
        ) as reached_before
    from moments
    where entered_at <= {{ as_of() }}
),

changes as (
    select
        customer_id,
        stage,
        entered_at,
        lag(stage) over (partition by customer_id order by entered_at) as previous_stage
    from reached
    where precedence = 1 and (reached_before is null or stage_rank >= reached_before)
),

customer_lifecycle as (
    select
        customer_id,
        stage,
        previous_stage,
        entered_at,
        lead(entered_at) over (partition by customer_id order by entered_at) as left_at
    from changes
    where previous_stage is null or previous_stage <> stage
)

select * from customer_lifecycle
