with

-- what nobody left a name at is no event of anyone
orders as (
    select * from {{ ref('stg_erp__orders') }}
    where record_id is not null
),

refunds as (
    select * from {{ ref('stg_erp__refunds') }}
    where record_id is not null
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
            'amount': 'gross_amount',
            'currency': 'currency',
        }) }}
    from orders
),

-- often the till does not say what is brought back: then the order is not known
orders_refunded as (
    select
        {{ event_columns('erp', {
            'event_id': "'refunds:' || refund_id",
            'record_id': 'record_id',
            'event_type': "'order_refunded'",
            'channel': "'store'",
            'occurred_at': 'refunded_at',
            'received_at': 'refunded_at',
            'order_id': 'order_id',
            'amount': '-amount',
            'currency': 'currency',
        }) }}
    from refunds
),

events as (
    select * from orders_placed
    union all
    select * from orders_refunded
)

select * from events
