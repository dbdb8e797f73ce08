{{ config(materialized='table') }}

with

valid_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
    where line_class = 'valid'
),

-- an invoice belongs to one customer; should the till ever write two on it, each has an order of their own
invoices as (
    select
        invoice_id,
        loyalty_number,
        currency,
        row_number() over (partition by invoice_id order by loyalty_number) as customer_number,
        min(invoiced_at) as ordered_at,
        sum(quantity) as item_count,
        sum(amount) as exact_amount
    from valid_lines
    group by invoice_id, loyalty_number, currency
),

-- prices below a penny: fractions are carried to the next such invoice, so that orders add up to the till's takings
-- (rounded one by one, 18,437 real invoices came out a penny short)
running as (
    select
        *,
        sum(exact_amount) over (
            partition by currency
            order by ordered_at, invoice_id, loyalty_number
            rows between unbounded preceding and current row
        ) as running_amount
    from invoices
),

rounded as (
    select
        *,
        cast(round(running_amount, 2) - round(running_amount - exact_amount, 2) as decimal(18, 2)) as amount
    from running
),

orders as (
    select
        'erp' as source,
        case when customer_number = 1 then invoice_id else invoice_id || '/' || loyalty_number end as order_id,
        'customers:' || loyalty_number as record_id,
        invoice_id as order_number,
        ordered_at,
        'paid' as status,
        'store' as channel,
        cast(null as string) as cart_id,
        cast(null as string) as discount_code,
        cast(item_count as integer) as item_count,
        amount as gross_amount,
        cast(0 as decimal(18, 2)) as discount_amount,
        cast(0 as decimal(18, 2)) as refunded_amount,
        amount as net_amount,
        currency
    from rounded
)

select * from orders
