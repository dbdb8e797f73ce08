{{ config(materialized='table') }}

with

order_headers as (
    select * from {{ ref('stg_shopify__order_headers') }}
),

refunds as (
    select
        order_id,
        record_id,
        currency,
        {{ explode_list(json_objects('refunds', ['id', 'created_at', 'transactions'])) }} as refund
    from order_headers
),

transactions as (
    select
        order_id,
        refund.id as refund_id,
        {{ explode_list(json_objects('refund.transactions', ['amount', 'currency', 'kind'])) }} as payment
    from refunds
),

paid_back as (
    select
        order_id,
        refund_id,
        sum(try_cast(payment.amount as decimal(18, 2))) as amount
    from transactions
    where coalesce(payment.kind, 'refund') = 'refund'
    group by order_id, refund_id
),

order_refunds as (
    select
        -- ids
        refunds.refund.id as refund_id,
        refunds.order_id,
        refunds.record_id,
        -- strings
        refunds.currency,
        -- numerics: a refund without a payment (goods only) is worth nothing
        cast(coalesce(paid_back.amount, 0) as decimal(18, 2)) as amount,
        -- timestamps
        {{ utc_timestamp('refunds.refund.created_at') }} as refunded_at
    from refunds
    left join paid_back
        on refunds.order_id = paid_back.order_id and refunds.refund.id = paid_back.refund_id
)

select * from order_refunds
