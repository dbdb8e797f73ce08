with

orders as (
    select * from {{ ref('stg_erp__orders') }}
),

-- a cancellation without customer stays in stg_erp__cancellations
cancellations as (
    select * from {{ ref('stg_erp__cancellations') }}
    where loyalty_number is not null
),

orders_placed as (
    select
        {{ event_columns('erp', {
            'event_id': "'orders:' || order_id",
            'record_id': 'record_id',
            'event_type': "'order_placed'",
            'channel': 'channel',
            'occurred_at': 'ordered_at',
            'received_at': 'ordered_at',
            'order_id': 'order_id',
            'amount': 'net_amount',
            'currency': 'currency',
        }) }}
    from orders
),

-- the till does not say which invoice is cancelled
orders_cancelled as (
    select
        {{ event_columns('erp', {
            'event_id': "'cancellations:' || invoice_id || ':' || loyalty_number",
            'record_id': "'customers:' || loyalty_number",
            'event_type': "'order_cancelled'",
            'channel': "'store'",
            'occurred_at': 'cancelled_at',
            'received_at': 'cancelled_at',
            'order_id': 'invoice_id',
            'amount': 'amount',
            'currency': 'currency',
        }) }}
    from cancellations
),

events as (
    select * from orders_placed
    union all
    select * from orders_cancelled
)

select * from events
