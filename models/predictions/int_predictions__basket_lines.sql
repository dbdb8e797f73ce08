with

products as (
    select
        *,
        max(case when is_in_catalogue then 1 else 0 end) over () as has_catalogue
    from {{ ref('products') }}
),

orders as (
    select * from {{ ref('customer_orders') }}
),

-- without a catalogue everything that was ever sold is one
basket_lines as (
    select
        lines.customer_id,
        lines.order_id,
        lines.product_id,
        products.is_in_catalogue or products.has_catalogue = 0 as is_on_sale,
        orders.ordered_at,
        -- cancelled, nobody knows when: it may never have been an order
        case
            when orders.status = 'cancelled' then coalesce(orders.cancelled_at, orders.ordered_at)
        end as cancelled_at
    from {{ ref('customer_order_lines') }} as lines
    inner join orders on lines.order_id = orders.order_id
    inner join products on lines.product_id = products.product_id
    where lines.quantity > 0
)

select * from basket_lines
