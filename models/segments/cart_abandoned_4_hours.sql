/*
What:    people who filled a cart in the last 7 days, left it alone for 4 hours and have not ordered since.
Owner:   growth@example.com
Purpose: marketing
*/
with

carts as (
    select
        customer_id,
        cart_id,
        min(occurred_at) as started_at,
        max(occurred_at) as last_touched_at
    from {{ ref('customer_events') }}
    where event_type in ('product_added', 'cart_viewed', 'checkout_started')
    group by customer_id, cart_id
),

orders as (
    select
        customer_id,
        max(ordered_at) as last_order_at
    from {{ ref('customer_orders') }}
    group by customer_id
),

cart_abandoned as (
    select distinct carts.customer_id
    from carts
    left join orders on carts.customer_id = orders.customer_id
    where
        carts.last_touched_at <= {{ add_hours(as_of(), -4) }}
        and carts.last_touched_at > {{ add_days(as_of(), -7) }}
        and (orders.last_order_at is null or orders.last_order_at < carts.started_at)
)

select * from cart_abandoned
