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

typed as (
    select
        *,
        try_cast(item.quantity as integer) as quantity,
        try_cast(item.price as decimal(18, 4)) as unit_price,
        coalesce(try_cast(item.total_discount as decimal(18, 2)), 0) as discount_amount
    from items
),

order_lines as (
    select
        'shopify' as source,
        item.id as order_line_id,
        order_id,
        {{ text_or_null('item.product_id') }} as product_id,
        {{ text_or_null('item.sku') }} as sku,
        {{ text_or_null('item.title') }} as product_name,
        quantity,
        unit_price,
        cast(discount_amount as decimal(18, 2)) as discount_amount,
        cast(round(quantity * unit_price, 2) - discount_amount as decimal(18, 2)) as net_amount,
        currency
    from typed
)

select * from order_lines
