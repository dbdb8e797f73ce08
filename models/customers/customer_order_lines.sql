with

order_lines as (
    {{ union_sources('order_lines') }}
),

customer_orders as (
    select * from {{ ref('customer_orders') }}
),

product_codes as (
    select * from {{ ref('int_customers__product_codes') }}
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

customer_order_lines as (
    select
        order_lines.source || ':' || order_lines.order_line_id as order_line_id,
        customer_orders.order_id,
        customer_orders.customer_id,
        product_codes.product_id,
        order_lines.sku,
        order_lines.product_name,
        order_lines.quantity,
        order_lines.unit_price,
        order_lines.discount_amount,
        order_lines.net_amount,
        {{ in_eur('order_lines.net_amount', 'daily_rates.rate') }} as net_amount_eur,
        order_lines.currency,
        customer_orders.status = 'cancelled' as is_cancelled,
        customer_orders.ordered_at
    from order_lines
    inner join customer_orders
        on order_lines.source || ':' || order_lines.order_id = customer_orders.order_id
    left join product_codes
        on
            order_lines.source = product_codes.source
            and coalesce(order_lines.product_id, order_lines.sku) = product_codes.code
    left join daily_rates
        on
            order_lines.currency = daily_rates.currency
            and cast(customer_orders.ordered_at as date) = daily_rates.rate_date
)

select * from customer_order_lines
