{{ config(materialized='table') }}

with

-- a sale is a sale, whether or not the buyer left a name
sold_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
    where line_class in ('valid', 'without_customer') and quantity > 0 and unit_price > 0
),

first_customers as (
    select
        invoice_id,
        min(loyalty_number) as loyalty_number
    from sold_lines
    group by invoice_id
),

-- prices below a penny: fractions are carried to the next such line, so that lines add up to orders and
-- orders to the till's takings (rounded one by one, 18,437 real invoices came out a penny short)
whole as (
    select
        *,
        cast(amount as decimal(18, 2)) as net_amount
    from sold_lines
    where amount = round(amount, 2)
),

carried as (
    select
        *,
        {{ carried_amount(
            'amount', 'currency, loyalty_number is null', 'invoiced_at, invoice_id, loyalty_number, line_id'
        ) }} as net_amount
    from sold_lines
    where amount <> round(amount, 2)
),

rounded as (
    select * from whole
    union all
    select * from carried
),

order_lines as (
    select
        'erp' as source,
        rounded.line_id as order_line_id,
        -- an invoice belongs to one customer; should the till ever write two on it, each has an order of their own
        rounded.invoice_id
        || case
            when coalesce(rounded.loyalty_number, '') = coalesce(first_customers.loyalty_number, '') then ''
            else '/' || coalesce(rounded.loyalty_number, 'unnamed')
        end as order_id,
        rounded.product_id,
        rounded.product_id as sku,
        rounded.product_title as product_name,
        rounded.quantity,
        rounded.unit_price,
        cast(0 as decimal(18, 2)) as discount_amount,
        rounded.net_amount,
        rounded.currency
    from rounded
    inner join first_customers on rounded.invoice_id = first_customers.invoice_id
)

select * from order_lines
