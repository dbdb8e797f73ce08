/*
What:    people who looked at products in the last 24 hours, left an hour ago or more, and put nothing in a cart
         and ordered nothing in that time.
Owner:   growth@example.com
Purpose: marketing
*/
with

browsed as (
    select
        customer_id,
        max(occurred_at) as last_looked_at,
        count(case when event_type <> 'product_viewed' then 1 end) as cart_touches
    from {{ ref('customer_events') }}
    where
        event_type in ('product_viewed', 'product_added', 'cart_viewed', 'checkout_started')
        and occurred_at > {{ add_hours(as_of(), -24) }}
    group by customer_id
),

ordered as (
    select customer_id
    from {{ ref('customer_orders') }}
    where ordered_at > {{ add_hours(as_of(), -24) }}
),

browse_abandoned as (
    select customer_id
    from browsed
    where
        cart_touches = 0
        and last_looked_at <= {{ add_hours(as_of(), -1) }}
        and customer_id not in (select ordered.customer_id from ordered)
)

select * from browse_abandoned
