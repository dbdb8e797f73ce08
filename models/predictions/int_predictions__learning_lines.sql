{{ config(materialized='view') }}

with

orders as (
    select * from {{ ref('customer_orders') }}
),

-- a buyer is the account or card that ordered, not the person: whom a merge joins changes nothing that was learned
learning_lines as (
    select
        orders.source || ':' || orders.record_id as customer_id,
        lines.order_id,
        lines.product_id,
        lines.is_on_sale,
        lines.ordered_at,
        lines.cancelled_at
    from {{ ref('int_predictions__basket_lines') }} as lines
    inner join orders on lines.order_id = orders.order_id
)

select * from learning_lines
