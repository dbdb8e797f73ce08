with

moments as (
    select * from {{ ref('int_predictions__moments') }}
    where model in ('expected_value', 'churn')
),

orders as (
    select * from {{ ref('customer_orders') }}
    -- cancelled, nobody knows when: it may never have been one
    where status <> 'cancelled' or cancelled_at is not null
),

refunds as (
    select * from {{ ref('customer_refunds') }}
),

people as (
    {{ people_at_moments('orders', 'ordered_at') }}
),

known_orders as (
    select
        people.*,
        orders.order_id,
        cast(orders.ordered_at as date) as ordered_on,
        orders.ordered_at,
        orders.gross_amount_eur,
        {{ is_within('orders.ordered_at', 'people.horizon_days', 'people.moment') }} as is_before
    from orders
    inner join people
        on
            orders.customer_id = people.customer_id
            and orders.ordered_at <= people.moment
            and (orders.cancelled_at is null or orders.cancelled_at > people.moment)
),

-- by days first: to count distinct ones five times over takes twice as long
order_days as (
    select
        model,
        cut_number,
        moment,
        customer_id,
        ordered_on,
        max(case when {{ is_within('ordered_at', 30) }} then 1 else 0 end) as is_within_30,
        max(case when {{ is_within('ordered_at', 90) }} then 1 else 0 end) as is_within_90,
        max(case when {{ is_within('ordered_at', 365) }} then 1 else 0 end) as is_within_365,
        max(case when is_before then 1 else 0 end) as is_before,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at,
        sum(coalesce(gross_amount_eur, 0)) as gross_eur,
        sum(case when is_before then gross_amount_eur else 0 end) as gross_before_eur
    from known_orders
    group by model, cut_number, moment, customer_id, ordered_on
),

buyers as (
    select
        model,
        cut_number,
        moment,
        customer_id,
        count(*) as order_days,
        sum(is_within_30) as order_days_30,
        sum(is_within_90) as order_days_90,
        sum(is_within_365) as order_days_365,
        sum(is_before) as order_days_before,
        min(first_order_at) as first_order_at,
        max(last_order_at) as last_order_at,
        sum(gross_eur) as gross_eur,
        sum(gross_before_eur) as gross_before_eur
    from order_days
    group by model, cut_number, moment, customer_id
),

-- what went back by then, of orders that count or of none in particular
known_refunds as (
    select
        moments.model,
        moments.cut_number,
        refunds.customer_id,
        sum(refunds.amount_eur) as refunded_eur,
        sum(
            case
                when {{ is_within('refunds.refunded_at', 'moments.horizon_days', 'moments.moment') }}
                    then refunds.amount_eur
                else 0
            end
        ) as refunded_before_eur
    from refunds
    inner join moments on refunds.refunded_at <= moments.moment
    left join known_orders
        on
            refunds.order_id = known_orders.order_id
            and moments.model = known_orders.model
            and moments.cut_number = known_orders.cut_number
    where refunds.order_id is null or known_orders.order_id is not null
    group by moments.model, moments.cut_number, refunds.customer_id
),

order_features as (
    select
        buyers.model,
        cast(buyers.cut_number as integer) as cut_number,
        buyers.customer_id,
        cast(buyers.order_days as integer) as order_days,
        cast(buyers.order_days_30 as integer) as order_days_30,
        cast(buyers.order_days_90 as integer) as order_days_90,
        cast(buyers.order_days_365 as integer) as order_days_365,
        cast(buyers.order_days_before as integer) as order_days_before,
        cast({{ days_between('buyers.first_order_at', 'buyers.last_order_at') }} as integer) as recency_days,
        cast({{ days_between('buyers.first_order_at', 'buyers.moment') }} as integer) as age_days,
        cast(buyers.gross_eur - coalesce(known_refunds.refunded_eur, 0) as double) as value_eur,
        cast(
            coalesce(buyers.gross_before_eur, 0) - coalesce(known_refunds.refunded_before_eur, 0) as double
        ) as value_before_eur
    from buyers
    left join known_refunds
        on
            buyers.customer_id = known_refunds.customer_id
            and buyers.model = known_refunds.model
            and buyers.cut_number = known_refunds.cut_number
)

select * from order_features
