{{ config(materialized='view') }}

with

cancelled_orders as (
    select * from {{ ref('customer_orders') }}
    where status = 'cancelled'
),

products_on_sale as (
    select * from {{ ref('int_predictions__products_on_sale') }}
),

basket_lines as (
    select
        lines.customer_id,
        lines.order_id,
        lines.product_id,
        products_on_sale.product_id is not null as is_on_sale,
        lines.ordered_at,
        -- cancelled, nobody knows when: it may never have been an order
        case
            when lines.is_cancelled then coalesce(cancelled_orders.cancelled_at, lines.ordered_at)
        end as cancelled_at
    from {{ ref('customer_order_lines') }} as lines
    left join cancelled_orders on lines.order_id = cancelled_orders.order_id
    left join products_on_sale on lines.product_id = products_on_sale.product_id
    where lines.quantity > 0 and lines.product_id is not null
)

select * from basket_lines
