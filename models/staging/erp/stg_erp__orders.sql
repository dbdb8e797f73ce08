{{ config(materialized='table') }}

with

invoice_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
),

order_lines as (
    select * from {{ ref('stg_erp__order_lines') }}
),

orders as (
    select
        'erp' as source,
        order_lines.order_id,
        'customers:' || min(invoice_lines.loyalty_number) as record_id,
        min(invoice_lines.invoice_id) as order_number,
        min(invoice_lines.invoiced_at) as ordered_at,
        cast(null as timestamp) as cancelled_at,
        'paid' as status,
        'store' as channel,
        cast(null as string) as cart_id,
        cast(null as string) as discount_code,
        cast(sum(order_lines.quantity) as integer) as item_count,
        cast(sum(order_lines.net_amount) as decimal(18, 2)) as gross_amount,
        cast(0 as decimal(18, 2)) as discount_amount,
        min(order_lines.currency) as currency
    from order_lines
    inner join invoice_lines on order_lines.order_line_id = invoice_lines.line_id
    group by order_lines.order_id
)

select * from orders
