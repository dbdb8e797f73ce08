with

customer_orders as (
    select * from {{ ref('customer_orders') }}
    where status <> 'cancelled'
),

order_totals as (
    select
        customer_id,
        cast(count(*) as integer) as order_count,
        cast(sum(net_amount_eur) as decimal(18, 2)) as revenue_eur,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at
    from customer_orders
    group by customer_id
)

select * from order_totals
