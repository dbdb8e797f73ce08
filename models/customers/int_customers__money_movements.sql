with

orders as (
    select * from {{ ref('int_customers__orders') }}
),

refunds as (
    select * from {{ ref('int_customers__refunds') }}
),

-- each movement of money at the moment it happened
sold as (
    select
        'sale:' || order_id as movement_id,
        'sale' as movement,
        order_id,
        source,
        record_id,
        channel,
        status <> 'cancelled' or coalesce(cancelled_at > {{ as_of() }}, false) as is_kept,
        gross_amount_eur,
        discount_amount_eur,
        cast(0 as decimal(18, 2)) as refunded_amount_eur,
        cast(0 as decimal(18, 2)) as cancelled_amount_eur,
        net_amount_eur as order_net_amount_eur,
        ordered_at as moved_at
    from orders
),

cancelled as (
    select
        'cancellation:' || order_id as movement_id,
        'cancellation' as movement,
        order_id,
        source,
        record_id,
        channel,
        false as is_kept,
        cast(0 as decimal(18, 2)) as gross_amount_eur,
        cast(0 as decimal(18, 2)) as discount_amount_eur,
        cast(0 as decimal(18, 2)) as refunded_amount_eur,
        cancelled_amount_eur,
        cast(null as decimal(18, 2)) as order_net_amount_eur,
        coalesce(cancelled_at, ordered_at) as moved_at
    from orders
    where cancelled_amount_eur <> 0
),

paid_back as (
    select
        'refund:' || refund_id as movement_id,
        'refund' as movement,
        order_id,
        source,
        record_id,
        channel,
        false as is_kept,
        cast(0 as decimal(18, 2)) as gross_amount_eur,
        cast(0 as decimal(18, 2)) as discount_amount_eur,
        amount_eur as refunded_amount_eur,
        cast(0 as decimal(18, 2)) as cancelled_amount_eur,
        cast(null as decimal(18, 2)) as order_net_amount_eur,
        refunded_at as moved_at
    from refunds
),

moved as (
    select * from sold
    union all
    select * from cancelled
    union all
    select * from paid_back
),

money_movements as (
    select
        *,
        cast(gross_amount_eur - refunded_amount_eur - cancelled_amount_eur as decimal(18, 2)) as net_amount_eur
    from moved
    {%- if var('as_of') %}
    -- who asks for an earlier moment does not ask for what came after it
    where moved_at <= {{ as_of() }}
    {%- endif %}
)

select * from money_movements
