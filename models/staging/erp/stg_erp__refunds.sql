{{ config(materialized='table') }}

with

orders as (
    select * from {{ ref('stg_erp__orders') }}
),

-- whatever is no sale and moves money: what comes back, and corrections such as bad debts
other_lines as (
    select *
    from {{ ref('stg_erp__invoice_lines') }}
    where
        line_class <> 'delivered_again'
        and (is_cancellation or (amount <> 0 and not (quantity > 0 and unit_price > 0)))
),

returned as (
    select
        invoice_id,
        loyalty_number,
        is_cancellation,
        currency,
        min(invoiced_at) as refunded_at,
        sum(-coalesce(amount, 0)) as exact_amount,
        row_number() over (partition by invoice_id order by loyalty_number nulls last) as customer_number
    from other_lines
    group by invoice_id, loyalty_number, is_cancellation, currency
),

rounded as (
    select
        *,
        'customers:' || loyalty_number as record_id,
        case when is_cancellation then substr(invoice_id, 2) end as sold_number,
        {{ carried_amount(
            'exact_amount', 'currency, loyalty_number is null', 'refunded_at, invoice_id, loyalty_number'
        ) }} as amount
    from returned
),

-- a return whose number is C and the number of an earlier sale to the same person gives that sale back;
-- of others the till does not say
refunds as (
    select
        'erp' as source,
        rounded.invoice_id
        || case
            when rounded.customer_number = 1 then '' else '/' || coalesce(rounded.loyalty_number, 'unnamed')
        end as refund_id,
        orders.order_id,
        rounded.record_id,
        'store' as channel,
        case when rounded.is_cancellation then 'return' else 'correction' end as reason,
        rounded.amount,
        rounded.currency,
        rounded.refunded_at
    from rounded
    left join orders
        on
            rounded.sold_number = orders.order_number
            and coalesce(rounded.record_id, '') = coalesce(orders.record_id, '')
            and rounded.refunded_at >= orders.ordered_at
)

select * from refunds
