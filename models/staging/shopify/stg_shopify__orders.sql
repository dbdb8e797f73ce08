with

order_headers as (
    select * from {{ ref('stg_shopify__order_headers') }}
),

lines as (
    select
        order_id,
        sum(quantity) as item_count
    from {{ ref('stg_shopify__order_lines') }}
    group by order_id
),

orders as (
    select
        'shopify' as source,
        order_headers.order_id,
        order_headers.record_id,
        order_headers.order_number,
        order_headers.processed_at as ordered_at,
        case
            when order_headers.cancelled_at is not null then order_headers.cancelled_at
            when order_headers.financial_status = 'voided' then order_headers.updated_at
        end as cancelled_at,
        case
            when order_headers.cancelled_at is not null or order_headers.financial_status = 'voided' then 'cancelled'
            when order_headers.financial_status in ('paid', 'refunded', 'partially_refunded')
                then order_headers.financial_status
            else 'open'
        end as status,
        order_headers.channel,
        order_headers.cart_id,
        order_headers.discount_code,
        cast(coalesce(lines.item_count, 0) as integer) as item_count,
        order_headers.total_price as gross_amount,
        coalesce(order_headers.total_discounts, 0) as discount_amount,
        order_headers.currency
    from order_headers
    left join lines on order_headers.order_id = lines.order_id
)

select * from orders
