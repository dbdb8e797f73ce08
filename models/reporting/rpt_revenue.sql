with

orders as (
    select * from {{ ref('int_customers__orders') }}
),

refunds as (
    select * from {{ ref('int_customers__refunds') }}
),

-- each movement of money in the month it happened
sold as (
    select
        ordered_at as moved_at,
        source,
        channel,
        record_id is not null as is_customer_known,
        1 as order_count,
        0 as refund_count,
        case when gross_amount_eur is null then 1 else 0 end as unvalued_count,
        gross_amount_eur,
        discount_amount_eur,
        cast(0 as decimal(18, 2)) as refunded_amount_eur,
        cast(0 as decimal(18, 2)) as cancelled_amount_eur
    from orders
),

cancelled as (
    select
        coalesce(cancelled_at, ordered_at) as moved_at,
        source,
        channel,
        record_id is not null as is_customer_known,
        0 as order_count,
        0 as refund_count,
        0 as unvalued_count,
        cast(0 as decimal(18, 2)) as gross_amount_eur,
        cast(0 as decimal(18, 2)) as discount_amount_eur,
        cast(0 as decimal(18, 2)) as refunded_amount_eur,
        cancelled_amount_eur
    from orders
    where cancelled_amount_eur <> 0
),

paid_back as (
    select
        refunded_at as moved_at,
        source,
        channel,
        record_id is not null as is_customer_known,
        0 as order_count,
        1 as refund_count,
        case when amount_eur is null then 1 else 0 end as unvalued_count,
        cast(0 as decimal(18, 2)) as gross_amount_eur,
        cast(0 as decimal(18, 2)) as discount_amount_eur,
        amount_eur as refunded_amount_eur,
        cast(0 as decimal(18, 2)) as cancelled_amount_eur
    from refunds
),

moved as (
    select * from sold
    union all
    select * from cancelled
    union all
    select * from paid_back
),

revenue as (
    select
        cast(date_trunc('month', moved_at) as date) as month_date,
        source,
        channel,
        is_customer_known,
        cast(sum(order_count) as bigint) as order_count,
        cast(sum(refund_count) as bigint) as refund_count,
        cast(sum(unvalued_count) as bigint) as unvalued_count,
        cast(coalesce(sum(gross_amount_eur), 0) as decimal(18, 2)) as gross_amount_eur,
        cast(coalesce(sum(discount_amount_eur), 0) as decimal(18, 2)) as discount_amount_eur,
        cast(coalesce(sum(refunded_amount_eur), 0) as decimal(18, 2)) as refunded_amount_eur,
        cast(coalesce(sum(cancelled_amount_eur), 0) as decimal(18, 2)) as cancelled_amount_eur
    from moved
    group by cast(date_trunc('month', moved_at) as date), source, channel, is_customer_known
),

with_net as (
    select
        *,
        cast(gross_amount_eur - refunded_amount_eur - cancelled_amount_eur as decimal(18, 2)) as net_amount_eur
    from revenue
)

select * from with_net
