with

orders as (
    select * from {{ ref('int_customers__orders') }}
),

refunds as (
    select * from {{ ref('int_customers__refunds') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

counted_orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

customers as (
    select * from {{ ref('customers') }}
),

advertising as (
    select cast(min(cost_date) as timestamp) as began_at from {{ ref('campaign_costs') }}
),

-- each movement of money at the moment it happened
sold as (
    select
        'sale:' || order_id as sale_id,
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
        'cancellation:' || order_id as sale_id,
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
        'refund:' || refund_id as sale_id,
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

sales as (
    select
        moved.sale_id,
        moved.movement,
        moved.order_id,
        identity_graph.customer_id,
        moved.source,
        moved.channel,
        customers.country_code,
        customers.acquisition_channel,
        customers.lifecycle_stage,
        moved.record_id is not null as is_customer_known,
        moved.moved_at <= {{ as_of() }} as has_happened,
        moved.is_kept and moved.moved_at <= {{ as_of() }} as is_counted,
        case when moved.movement = 'sale' then counted_orders.order_place end as order_place,
        coalesce(moved.moved_at >= advertising.began_at, false) as is_since_advertising,
        moved.gross_amount_eur,
        moved.discount_amount_eur,
        moved.refunded_amount_eur,
        moved.cancelled_amount_eur,
        cast(
            moved.gross_amount_eur - moved.refunded_amount_eur - moved.cancelled_amount_eur as decimal(18, 2)
        ) as net_amount_eur,
        moved.order_net_amount_eur,
        moved.moved_at
    from moved
    cross join advertising
    left join identity_graph
        on moved.source = identity_graph.source and moved.record_id = identity_graph.record_id
    left join customers on identity_graph.customer_id = customers.customer_id
    left join counted_orders on moved.order_id = counted_orders.order_id
)

select * from sales
