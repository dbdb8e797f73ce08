with

order_headers as (
    select * from {{ ref('stg_medusa__order_headers') }}
),

lines as (
    select
        order_id,
        sum(quantity) as item_count
    from {{ ref('stg_medusa__order_lines') }}
    group by order_id
),

items as (
    select
        order_id,
        {{ explode_list(json_objects('items', ['adjustments'])) }} as item
    from order_headers
),

adjustments as (
    select
        order_id,
        {{ explode_list(json_objects('item.adjustments', ['code', 'created_at'])) }} as adjustment
    from items
),

codes as (
    select
        order_id,
        min_by(adjustment.code, adjustment.created_at || adjustment.code) as discount_code
    from adjustments
    where adjustment.code <> ''
    group by order_id
),

orders as (
    select
        'medusa' as source,
        order_headers.order_id,
        order_headers.record_id,
        order_headers.order_number,
        order_headers.created_at as ordered_at,
        case
            when order_headers.canceled_at is not null then order_headers.canceled_at
            when order_headers.order_status = 'canceled' then order_headers.updated_at
        end as cancelled_at,
        case
            when order_headers.canceled_at is not null or order_headers.order_status = 'canceled' then 'cancelled'
            when order_headers.payment_status = 'captured' then 'paid'
            when order_headers.payment_status in ('refunded', 'partially_refunded') then order_headers.payment_status
            else 'open'
        end as status,
        'web' as channel,
        cast(null as string) as cart_id,
        codes.discount_code,
        cast(coalesce(lines.item_count, 0) as integer) as item_count,
        cast(order_headers.charged_total as decimal(18, 2)) as gross_amount,
        cast(coalesce(order_headers.discount_total, 0) as decimal(18, 2)) as discount_amount,
        order_headers.currency
    from order_headers
    left join lines on order_headers.order_id = lines.order_id
    left join codes on order_headers.order_id = codes.order_id
)

select * from orders
