with

orders as (
    select * from {{ ref('int_customers__orders') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_orders as (
    select
        orders.order_id,
        identity_graph.customer_id,
        orders.source,
        orders.record_id,
        orders.order_number,
        orders.status,
        orders.channel,
        orders.cart_id,
        orders.discount_code,
        orders.currency,
        orders.item_count,
        orders.gross_amount,
        orders.discount_amount,
        orders.refunded_amount,
        orders.cancelled_amount,
        orders.net_amount,
        orders.gross_amount_eur,
        orders.discount_amount_eur,
        orders.refunded_amount_eur,
        orders.cancelled_amount_eur,
        orders.net_amount_eur,
        orders.ordered_at,
        orders.cancelled_at
    from orders
    inner join identity_graph
        on orders.source = identity_graph.source and orders.record_id = identity_graph.record_id
)

select * from customer_orders
