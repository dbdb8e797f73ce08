{{ config(materialized='table') }}

with

order_headers as (
    select * from {{ ref('stg_medusa__order_headers') }}
),

collections as (
    select
        order_id,
        record_id,
        currency as order_currency,
        updated_at,
        {{ explode_list(json_objects('payment_collections', ['payments'])) }} as payment_collection
    from order_headers
),

payments as (
    select
        order_id,
        record_id,
        order_currency,
        updated_at,
        {{ explode_list(json_objects('payment_collection.payments', ['currency_code', 'refunds'])) }} as payment
    from collections
),

given_back as (
    select
        order_id,
        record_id,
        updated_at,
        coalesce({{ text_or_null('upper(payment.currency_code)') }}, order_currency) as currency,
        {{ explode_list(json_objects('payment.refunds', ['id', 'amount', 'created_at'])) }} as refund
    from payments
),

refunds as (
    select
        'medusa' as source,
        refund.id as refund_id,
        order_id,
        record_id,
        'web' as channel,
        'refund' as reason,
        try_cast(refund.amount as decimal(18, 2)) as amount,
        currency,
        coalesce({{ utc_timestamp('refund.created_at') }}, updated_at) as refunded_at
    from given_back
)

select * from refunds
