with

cancelled_lines as (
    select * from {{ ref('stg_erp__invoice_lines') }}
    where line_class in ('cancellation', 'cancellation_without_customer')
),

cancellations as (
    select
        -- ids
        invoice_id,
        loyalty_number,
        -- strings
        currency,
        -- numerics
        cast(round(sum(coalesce(amount, 0)), 2) as decimal(18, 2)) as amount,
        -- timestamps
        min(invoiced_at) as cancelled_at
    from cancelled_lines
    group by invoice_id, loyalty_number, currency
)

select * from cancellations
