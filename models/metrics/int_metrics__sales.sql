with

movements as (
    select * from {{ ref('int_customers__money_movements') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customers as (
    select * from {{ ref('customers') }}
),

counted_orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

advertising as (
    select cast(min(cost_date) as timestamp) as began_at from {{ ref('campaign_costs') }}
),

sales as (
    select
        movements.movement_id,
        movements.order_id,
        identity_graph.customer_id,
        movements.source,
        movements.channel,
        customers.country_code,
        customers.acquisition_channel,
        customers.lifecycle_stage,
        movements.record_id is not null as is_customer_known,
        -- nobody's sale is no event, and may be later than the last one
        movements.is_kept and (counted_orders.order_id is not null or identity_graph.customer_id is null) as is_order,
        case when movements.movement = 'sale' then counted_orders.order_place end as order_place,
        coalesce(movements.moved_at >= advertising.began_at, false) as is_since_advertising,
        movements.gross_amount_eur,
        movements.refunded_amount_eur,
        movements.cancelled_amount_eur,
        movements.net_amount_eur,
        movements.order_net_amount_eur,
        movements.moved_at
    from movements
    cross join advertising
    left join identity_graph
        on movements.source = identity_graph.source and movements.record_id = identity_graph.record_id
    left join customers on identity_graph.customer_id = customers.customer_id
    left join counted_orders on movements.order_id = counted_orders.order_id
)

select * from sales
