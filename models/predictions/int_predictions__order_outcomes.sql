with

moments as (
    select
        *,
        {{ add_days('moment', 'horizon_days') }} as ends_at
    from {{ ref('int_predictions__moments') }}
    where model in ('expected_value', 'churn') and cut_number > 0
),

orders as (
    select * from {{ ref('customer_orders') }}
    where status <> 'cancelled' or cancelled_at is not null
),

refunds as (
    select * from {{ ref('customer_refunds') }}
),

-- as it was known when the window closed
orders_by_then as (
    select
        moments.*,
        orders.customer_id,
        orders.order_id,
        orders.ordered_at,
        orders.gross_amount_eur
    from orders
    inner join moments
        on
            orders.ordered_at <= moments.ends_at
            and (orders.cancelled_at is null or orders.cancelled_at > moments.ends_at)
),

bought as (
    select
        model,
        cut_number,
        customer_id,
        count(distinct cast(ordered_at as date)) as order_days,
        sum(coalesce(gross_amount_eur, 0)) as gross_eur
    from orders_by_then
    where ordered_at > moment
    group by model, cut_number, customer_id
),

gave_back as (
    select
        moments.model,
        moments.cut_number,
        refunds.customer_id,
        sum(refunds.amount_eur) as refunded_eur
    from refunds
    inner join moments on refunds.refunded_at > moments.moment and refunds.refunded_at <= moments.ends_at
    left join orders_by_then
        on
            refunds.order_id = orders_by_then.order_id
            and moments.model = orders_by_then.model
            and moments.cut_number = orders_by_then.cut_number
    where refunds.order_id is null or orders_by_then.order_id is not null
    group by moments.model, moments.cut_number, refunds.customer_id
),

order_outcomes as (
    select
        coalesce(bought.model, gave_back.model) as model,
        cast(coalesce(bought.cut_number, gave_back.cut_number) as integer) as cut_number,
        coalesce(bought.customer_id, gave_back.customer_id) as customer_id,
        cast(coalesce(bought.order_days, 0) as integer) as order_days_after,
        cast(coalesce(bought.gross_eur, 0) - coalesce(gave_back.refunded_eur, 0) as double) as value_after_eur
    from bought
    full outer join gave_back
        on
            bought.model = gave_back.model
            and bought.cut_number = gave_back.cut_number
            and bought.customer_id = gave_back.customer_id
)

select * from order_outcomes
