with

-- what was cancelled after the as-of moment still stood then
customer_orders as (
    select * from {{ ref('customer_orders') }}
    where ordered_at <= {{ as_of() }} and (status <> 'cancelled' or cancelled_at > {{ as_of() }})
),

counted_orders as (
    select
        order_id,
        customer_id,
        source,
        channel,
        net_amount_eur,
        ordered_at,
        cast(row_number() over (partition by customer_id order by ordered_at, order_id) as integer) as order_place,
        lag(ordered_at) over (partition by customer_id order by ordered_at, order_id) as previous_order_at,
        lead(ordered_at) over (partition by customer_id order by ordered_at, order_id) as next_order_at
    from customer_orders
)

select * from counted_orders
