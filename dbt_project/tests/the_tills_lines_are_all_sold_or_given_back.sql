-- Each line that moves money is a sale or a refund, once: together they are the till's takings to the penny.
with

takings as (
    select round(sum(amount), 2) as amount
    from {{ ref('stg_erp__invoice_lines') }}
    where line_class <> 'delivered_again'
),

told as (
    select
        coalesce((select sum(gross_amount) from {{ ref('stg_erp__orders') }}), 0)
        - coalesce((select sum(amount) from {{ ref('stg_erp__refunds') }}), 0) as amount
)

select takings.amount as takings, told.amount as told
from takings
cross join told
-- sales and refunds, with and without a name, are each rounded once
where abs(coalesce(takings.amount, 0) - told.amount) > 0.02
