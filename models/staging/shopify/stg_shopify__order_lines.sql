{{ config(materialized='table') }}

with

order_headers as (
    select * from {{ ref('stg_shopify__order_headers') }}
),

items as (
    select
        order_id,
        currency,
        {{ explode_list(json_objects('line_items', [
            'id', 'product_id', 'sku', 'title', 'quantity', 'price', 'total_discount',
        ])) }} as item
    from order_headers
),

order_lines as (
    select
        -- ids
        item.id as order_line_id,
        order_id,
        {{ text_or_null('item.product_id') }} as product_id,
        -- strings
        {{ text_or_null('item.sku') }} as sku,
        {{ text_or_null('item.title') }} as product_title,
        currency,
        -- numerics
        try_cast(item.quantity as integer) as quantity,
        try_cast(item.price as decimal(18, 2)) as unit_price,
        coalesce(try_cast(item.total_discount as decimal(18, 2)), 0) as discount_amount
    from items
)

select * from order_lines
