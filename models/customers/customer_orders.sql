with

orders as (
    {{ union_sources('orders') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

exchange_rates as (
    select
        currency,
        rate,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_until
    from {{ ref('exchange_rates') }}
),

customer_orders as (
    select
        orders.source || ':' || orders.order_id as order_id,
        identity_graph.customer_id,
        orders.source,
        orders.record_id,
        orders.order_number,
        orders.status,
        orders.channel,
        orders.cart_id,
        orders.discount_code,
        orders.currency,
        orders.item_count,
        orders.gross_amount,
        orders.discount_amount,
        orders.refunded_amount,
        orders.net_amount,
        cast(round(orders.net_amount * exchange_rates.rate, 2) as decimal(18, 2)) as net_amount_eur,
        orders.ordered_at
    from orders
    inner join identity_graph
        on orders.source = identity_graph.source and orders.record_id = identity_graph.record_id
    left join exchange_rates
        on
            orders.currency = exchange_rates.currency
            and cast(orders.ordered_at as date) >= exchange_rates.valid_from
            and (exchange_rates.valid_until is null or cast(orders.ordered_at as date) < exchange_rates.valid_until)
)

select * from customer_orders
