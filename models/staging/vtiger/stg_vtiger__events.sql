with

leads as (
    select * from {{ ref('stg_vtiger__leads') }}
),

potentials as (
    select * from {{ ref('stg_vtiger__potentials') }}
),

activities as (
    select * from {{ ref('stg_vtiger__activities') }}
),

leads_created as (
    select
        {{ event_columns('vtiger', {
            'event_id': "'leads:' || lead_id",
            'record_id': "'leads:' || lead_id",
            'event_type': "'lead_created'",
            'channel': "'crm'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
            'detail': 'lead_source',
        }) }}
    from leads
    where created_at is not null
),

deals_created as (
    select
        {{ event_columns('vtiger', {
            'event_id': "'potentials:' || potential_id",
            'record_id': "'contacts:' || contact_id",
            'event_type': "'deal_created'",
            'channel': "'crm'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
            'amount': 'amount',
            'currency': 'currency',
            'detail': 'sales_stage',
        }) }}
    from potentials
    where contact_id is not null and created_at is not null
),

-- what is only planned, or was not held, has not happened
held as (
    select
        *,
        case activity_type
            when 'Call' then 'call_made'
            when 'Meeting' then 'meeting_held'
            else coalesce({{ snake_case('activity_type') }}, 'activity_held')
        end as event_type,
        coalesce(starts_at, created_at, updated_at) as held_at
    from activities
    where contact_id is not null and activity_status = 'Held'
),

talks_held as (
    select
        {{ event_columns('vtiger', {
            'event_id': "'events:' || activity_id",
            'record_id': "'contacts:' || contact_id",
            'event_type': 'event_type',
            'channel': "'crm'",
            'occurred_at': 'held_at',
            'received_at': 'updated_at',
            'detail': 'activity_status',
        }) }}
    from held
),

events as (
    select * from leads_created
    union all
    select * from deals_created
    union all
    select * from talks_held
)

select * from events
