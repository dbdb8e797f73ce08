{{ config(materialized='table') }}

with

-- a sale is a sale, whether or not the buyer left a name
sold_lines as (
    select
        *,
        min(invoiced_at) over (partition by invoice_id, loyalty_number) as ordered_at,
        dense_rank() over (partition by invoice_id order by loyalty_number nulls last) as customer_number
    from {{ ref('stg_erp__invoice_lines') }}
    where line_class in ('valid', 'without_customer') and quantity > 0 and unit_price > 0
),

-- prices below a penny: fractions are carried to the next such line, so that lines add up to orders and orders to the till's takings
-- (rounded one by one, 18,437 real invoices came out a penny short)
rounded as (
    select
        *,
        {{ carried_amount(
            'amount', 'currency, loyalty_number is null', 'ordered_at, invoice_id, loyalty_number, line_id'
        ) }} as net_amount
    from sold_lines
),

order_lines as (
    select
        'erp' as source,
        line_id as order_line_id,
        -- an invoice belongs to one customer; should the till ever write two on it, each has an order of their own
        invoice_id
        || case when customer_number = 1 then '' else '/' || coalesce(loyalty_number, 'unnamed') end as order_id,
        product_id,
        product_id as sku,
        product_title as product_name,
        quantity,
        unit_price,
        cast(0 as decimal(18, 2)) as discount_amount,
        net_amount,
        currency
    from rounded
)

select * from order_lines
