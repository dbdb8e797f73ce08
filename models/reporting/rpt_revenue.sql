with

movements as (
    select * from {{ ref('int_customers__money_movements') }}
),

revenue as (
    select
        cast(date_trunc('month', moved_at) as date) as month_date,
        source,
        channel,
        record_id is not null as is_customer_known,
        cast(sum(case when movement = 'sale' then 1 else 0 end) as bigint) as order_count,
        cast(sum(case when movement = 'refund' then 1 else 0 end) as bigint) as refund_count,
        cast(count(*) - count(net_amount_eur) as bigint) as unvalued_count,
        cast(coalesce(sum(gross_amount_eur), 0) as decimal(18, 2)) as gross_amount_eur,
        cast(coalesce(sum(discount_amount_eur), 0) as decimal(18, 2)) as discount_amount_eur,
        cast(coalesce(sum(refunded_amount_eur), 0) as decimal(18, 2)) as refunded_amount_eur,
        cast(coalesce(sum(cancelled_amount_eur), 0) as decimal(18, 2)) as cancelled_amount_eur
    from movements
    group by cast(date_trunc('month', moved_at) as date), source, channel, record_id is not null
),

with_net as (
    select
        *,
        cast(gross_amount_eur - refunded_amount_eur - cancelled_amount_eur as decimal(18, 2)) as net_amount_eur
    from revenue
)

select * from with_net
