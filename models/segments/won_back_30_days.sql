/*
What:    people who ordered in the last 30 days after more than 120 days without an order.
Owner:   crm@example.com
Purpose: marketing
*/
with

orders as (
    select
        customer_id,
        ordered_at,
        lag(ordered_at) over (partition by customer_id order by ordered_at, order_id) as previous_at
    from {{ ref('customer_orders') }}
    where status <> 'cancelled'
),

won_back as (
    select distinct customer_id
    from orders
    where ordered_at > {{ add_days(as_of(), -30) }} and previous_at < {{ add_days('ordered_at', -120) }}
)

select * from won_back
