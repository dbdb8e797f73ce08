with

-- of a cancelled order only a loss is left, when more was paid back than charged
orders as (
    select
        customer_id,
        case when status <> 'cancelled' then 1 end as counted,
        net_amount_eur,
        case when status <> 'cancelled' then ordered_at end as ordered_at
    from {{ ref('customer_orders') }}
),

-- what came back to the till and belongs to no order that is known
returns as (
    select
        customer_id,
        cast(null as integer) as counted,
        -amount_eur as net_amount_eur,
        cast(null as timestamp) as ordered_at
    from {{ ref('customer_refunds') }}
    where order_id is null
),

moved as (
    select * from orders
    union all
    select * from returns
),

order_totals as (
    select
        customer_id,
        cast(nullif(count(counted), 0) as integer) as order_count,
        cast(sum(coalesce(net_amount_eur, 0)) as decimal(18, 2)) as revenue_eur,
        cast(count(*) - count(net_amount_eur) as integer) as unvalued_count,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at
    from moved
    group by customer_id
)

select * from order_totals
