{{ config(materialized='table') }}

with

order_headers as (
    select * from {{ ref('stg_shopify__order_headers') }}
),

given_back as (
    select
        order_id,
        record_id,
        channel,
        currency as order_currency,
        updated_at,
        {{ explode_list(json_objects('refunds', ['id', 'created_at', 'transactions'])) }} as refund
    from order_headers
),

payments as (
    select
        order_id,
        refund.id as refund_id,
        {{ explode_list(json_objects('refund.transactions', ['amount', 'currency', 'kind', 'status'])) }} as payment
    from given_back
),

-- a payment that failed, or that only releases what was reserved, gives no money back
paid_back as (
    select
        order_id,
        refund_id,
        {{ text_or_null('upper(payment.currency)') }} as currency,
        -- one amount that cannot be read makes the sum unknown, not smaller
        case
            when count(*) = count(try_cast(payment.amount as decimal(18, 2)))
                then sum(try_cast(payment.amount as decimal(18, 2)))
        end as amount
    from payments
    where
        coalesce(lower(payment.kind), 'refund') = 'refund'
        and coalesce(lower(payment.status), 'success') = 'success'
    group by order_id, refund_id, {{ text_or_null('upper(payment.currency)') }}
),

-- money went back in two currencies: one refund in each
numbered as (
    select
        given_back.*,
        paid_back.refund_id is not null as has_payment,
        paid_back.amount,
        coalesce(paid_back.currency, given_back.order_currency) as currency,
        row_number() over (
            partition by given_back.order_id, given_back.refund.id
            order by paid_back.currency nulls first
        ) as currency_number
    from given_back
    left join paid_back
        on given_back.order_id = paid_back.order_id and given_back.refund.id = paid_back.refund_id
),

refunds as (
    select
        'shopify' as source,
        refund.id || case when currency_number > 1 then ':' || currency else '' end as refund_id,
        order_id,
        record_id,
        channel,
        'refund' as reason,
        -- a refund without a payment (goods only) is worth nothing
        cast(case when has_payment then amount else 0 end as decimal(18, 2)) as amount,
        currency,
        coalesce({{ utc_timestamp('refund.created_at') }}, updated_at) as refunded_at
    from numbered
)

select * from refunds
