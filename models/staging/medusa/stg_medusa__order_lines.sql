{{ config(materialized='table') }}

with

order_headers as (
    select * from {{ ref('stg_medusa__order_headers') }}
),

items as (
    select
        order_id,
        currency,
        {{ explode_list(json_objects('items', {
            'id': none, 'product_id': none, 'variant_sku': none, 'title': none, 'product_title': none, 'quantity': none,
            'unit_price': none, 'is_tax_inclusive': none, 'discount_total': none, 'discount_subtotal': none,
            'adjustments': none, 'detail': ['return_received_quantity', 'return_dismissed_quantity'],
        })) }} as item
    from order_headers
),

adjustments as (
    select
        item.id as order_line_id,
        {{ explode_list(json_objects('item.adjustments', ['amount'])) }} as adjustment
    from items
),

adjusted as (
    select
        order_line_id,
        sum(try_cast(adjustment.amount as decimal(18, 4))) as amount
    from adjustments
    group by order_line_id
),

-- a discount is with tax where the price is, and of what has not come back
typed as (
    select
        items.*,
        adjusted.amount as adjusted_amount,
        try_cast(item.quantity as integer) as quantity,
        try_cast(item.quantity as integer)
        - coalesce(try_cast(item.detail.return_received_quantity as integer), 0)
        - coalesce(try_cast(item.detail.return_dismissed_quantity as integer), 0) as kept_quantity,
        try_cast(item.unit_price as decimal(18, 4)) as unit_price,
        case
            when try_cast(item.is_tax_inclusive as boolean) then try_cast(item.discount_total as decimal(18, 4))
            else try_cast(item.discount_subtotal as decimal(18, 4))
        end as kept_discount
    from items
    left join adjusted on items.item.id = adjusted.order_line_id
),

-- of what was ordered; where nothing was kept, what was taken off at first
discounted as (
    select
        *,
        cast(
            coalesce(
                case when kept_quantity > 0 then kept_discount * quantity / kept_quantity else adjusted_amount end, 0
            )
            as decimal(18, 2)
        ) as discount_amount
    from typed
),

order_lines as (
    select
        'medusa' as source,
        item.id as order_line_id,
        order_id,
        {{ text_or_null('item.product_id') }} as product_id,
        {{ text_or_null('item.variant_sku') }} as sku,
        coalesce({{ text_or_null('item.product_title') }}, {{ text_or_null('item.title') }}) as product_name,
        quantity,
        unit_price,
        discount_amount,
        cast(round(quantity * unit_price, 2) - discount_amount as decimal(18, 2)) as net_amount,
        currency
    from discounted
)

select * from order_lines
