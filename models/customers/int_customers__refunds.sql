{{ config(materialized='view') }}

with

refunds as (
    {{ union_sources('refunds') }}
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

valued as (
    select
        refunds.source || ':' || refunds.refund_id as refund_id,
        refunds.source || ':' || refunds.order_id as order_id,
        refunds.source,
        refunds.record_id,
        refunds.channel,
        refunds.reason,
        refunds.amount,
        refunds.currency,
        {{ in_eur('refunds.amount', 'daily_rates.rate') }} as amount_eur,
        refunds.refunded_at
    from refunds
    left join daily_rates
        on refunds.currency = daily_rates.currency and cast(refunds.refunded_at as date) = daily_rates.rate_date
)

select * from valued
