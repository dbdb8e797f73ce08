with

order_headers as (
    select * from {{ ref('stg_medusa__order_headers') }}
),

orders as (
    select * from {{ ref('stg_medusa__orders') }}
),

refunds as (
    select * from {{ ref('stg_medusa__refunds') }}
),

orders_placed as (
    select
        {{ event_columns('medusa', {
            'event_id': "'orders:' || order_id",
            'record_id': 'record_id',
            'event_type': "'order_placed'",
            'channel': "'web'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
            'order_id': 'order_id',
            'amount': 'charged_total',
            'currency': 'currency',
            'extracted_at': 'extracted_at',
        }) }}
    from order_headers
),

orders_cancelled as (
    select
        {{ event_columns('medusa', {
            'event_id': "'cancelled:' || orders.order_id",
            'record_id': 'orders.record_id',
            'event_type': "'order_cancelled'",
            'channel': "'web'",
            'occurred_at': 'orders.cancelled_at',
            'received_at': 'order_headers.updated_at',
            'order_id': 'orders.order_id',
            'amount': '-orders.gross_amount',
            'currency': 'orders.currency',
            'extracted_at': 'order_headers.extracted_at',
        }) }}
    from orders
    inner join order_headers on orders.order_id = order_headers.order_id
    where orders.cancelled_at is not null
),

orders_refunded as (
    select
        {{ event_columns('medusa', {
            'event_id': "'refunds:' || refunds.refund_id",
            'record_id': 'refunds.record_id',
            'event_type': "'order_refunded'",
            'channel': "'web'",
            'occurred_at': 'refunds.refunded_at',
            'received_at': 'refunds.refunded_at',
            'order_id': 'refunds.order_id',
            'amount': '-refunds.amount',
            'currency': 'refunds.currency',
            'extracted_at': 'order_headers.extracted_at',
        }) }}
    from refunds
    inner join order_headers on refunds.order_id = order_headers.order_id
),

events as (
    select * from orders_placed
    union all
    select * from orders_cancelled
    union all
    select * from orders_refunded
)

select * from events
