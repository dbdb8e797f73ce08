with

leads as (
    select * from {{ ref('stg_tryton__leads') }}
),

deals as (
    select * from {{ ref('stg_tryton__deals') }}
    where appearance = 1
),

leads_created as (
    select
        {{ event_columns('tryton', {
            'event_id': "'leads:' || lead_id",
            'record_id': 'record_id',
            'event_type': "'lead_created'",
            'channel': "'crm'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
        }) }}
    from leads
    where record_id is not null and created_at is not null
),

deals_created as (
    select
        {{ event_columns('tryton', {
            'event_id': "'deals:' || deal_id",
            'record_id': 'record_id',
            'event_type': "'deal_created'",
            'channel': "'crm'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
            'amount': 'amount',
            'currency': 'currency',
            'detail': 'stage',
        }) }}
    from deals
    where record_id is not null and created_at is not null
),

events as (
    select * from leads_created
    union all
    select * from deals_created
)

select * from events
