with

order_lines as (
    {{ union_sources('order_lines') }}
),

orders as (
    {{ union_sources('orders') }}
),

sold as (
    select
        order_lines.source,
        coalesce(order_lines.product_id, order_lines.sku) as product_id,
        order_lines.sku,
        order_lines.product_name,
        order_lines.unit_price,
        order_lines.currency,
        orders.ordered_at,
        cast(orders.ordered_at as string) || order_lines.order_line_id as sale
    from order_lines
    inner join orders on order_lines.source = orders.source and order_lines.order_id = orders.order_id
    where coalesce(order_lines.product_id, order_lines.sku) is not null
),

-- what a source sells is an article there, in a catalogue or not; it is called what it was called when last sold
sold_products as (
    select
        source,
        product_id,
        sku,
        max_by(product_name, sale) as product_name,
        max_by(unit_price, sale) as unit_price,
        max_by(currency, sale) as currency,
        max(ordered_at) as last_sold_at
    from sold
    group by source, product_id, sku
)

select * from sold_products
