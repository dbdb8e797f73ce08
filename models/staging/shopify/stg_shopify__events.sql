with

order_headers as (
    select
        *,
        {{ url_host('referring_site') }} as referrer_host
    from {{ ref('stg_shopify__order_headers') }}
),

refunds as (
    select * from {{ ref('stg_shopify__refunds') }}
),

checkouts as (
    select * from {{ ref('stg_shopify__checkouts') }}
),

orders_placed as (
    select
        {{ event_columns('shopify', {
            'event_id': "'orders:' || order_id",
            'record_id': 'record_id',
            'event_type': "'order_placed'",
            'channel': 'channel',
            'occurred_at': 'processed_at',
            'received_at': 'created_at',
            'campaign': url_parameter('landing_site', 'utm_campaign'),
            'cart_id': 'cart_id',
            'order_id': 'order_id',
            'amount': 'total_price',
            'currency': 'currency',
            'utm_source': 'lower(' ~ url_parameter('landing_site', 'utm_source') ~ ')',
            'utm_medium': 'lower(' ~ url_parameter('landing_site', 'utm_medium') ~ ')',
            'referrer_host': 'referrer_host',
            'page_path': safe_path('landing_site'),
            'extracted_at': 'extracted_at',
        }) }}
    from order_headers
),

orders_cancelled as (
    select
        {{ event_columns('shopify', {
            'event_id': "'cancelled:' || order_id",
            'record_id': 'record_id',
            'event_type': "'order_cancelled'",
            'channel': 'channel',
            'occurred_at': 'cancelled_at',
            'received_at': 'updated_at',
            'cart_id': 'cart_id',
            'order_id': 'order_id',
            'amount': '-total_price',
            'currency': 'currency',
            'detail': 'cancel_reason',
            'extracted_at': 'extracted_at',
        }) }}
    from order_headers
    where cancelled_at is not null
),

orders_refunded as (
    select
        {{ event_columns('shopify', {
            'event_id': "'refunds:' || refunds.refund_id",
            'record_id': 'refunds.record_id',
            'event_type': "'order_refunded'",
            'channel': 'order_headers.channel',
            'occurred_at': 'refunds.refunded_at',
            'received_at': 'order_headers.updated_at',
            'order_id': 'refunds.order_id',
            'amount': '-refunds.amount',
            'currency': 'refunds.currency',
            'extracted_at': 'order_headers.extracted_at',
        }) }}
    from refunds
    inner join order_headers on refunds.order_id = order_headers.order_id
),

checkouts_started as (
    select
        {{ event_columns('shopify', {
            'event_id': "'checkouts:' || checkout_id",
            'record_id': 'record_id',
            'event_type': "'checkout_started'",
            'channel': "'web'",
            'occurred_at': 'created_at',
            'received_at': 'updated_at',
            'cart_id': 'cart_id',
            'amount': 'total_price',
            'currency': 'currency',
            'extracted_at': 'extracted_at',
        }) }}
    from checkouts
),

events as (
    select * from orders_placed
    union all
    select * from orders_cancelled
    union all
    select * from orders_refunded
    union all
    select * from checkouts_started
)

select * from events
