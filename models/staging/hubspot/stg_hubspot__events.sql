with

leads as (
    select * from {{ ref('stg_hubspot__leads') }}
),

deals as (
    select * from {{ ref('stg_hubspot__deals') }}
    where appearance = 1
),

activities as (
    select * from {{ ref('stg_hubspot__activities') }}
    where record_class = 'staged'
),

leads_created as (
    select
        {{ event_columns('hubspot', {
            'event_id': "'leads:' || lead_id",
            'record_id': 'record_id',
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
        {{ event_columns('hubspot', {
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

-- a call written down by hand has no status; a meeting without an outcome is only planned
held as (
    select
        table_name,
        activity_id,
        outcome,
        coalesce(starts_at, created_at, updated_at) as held_at,
        updated_at,
        {{ explode_list(json_objects('contacts', ['id'])) }} as contact
    from activities
    where outcome = 'completed' or (table_name = 'calls' and outcome is null)
),

-- once for each contact, whom HubSpot may name once per label
talks as (
    select distinct
        table_name,
        activity_id,
        outcome,
        held_at,
        updated_at,
        contact.id as contact_id
    from held
),

talks_held as (
    select
        {{ event_columns('hubspot', {
            'event_id': "table_name || ':' || activity_id || ':' || contact_id",
            'record_id': "'contacts:' || contact_id",
            'event_type': "case table_name when 'calls' then 'call_made' else 'meeting_held' end",
            'channel': "'crm'",
            'occurred_at': 'held_at',
            'received_at': 'updated_at',
            'detail': 'outcome',
        }) }}
    from talks
),

events as (
    select * from leads_created
    union all
    select * from deals_created
    union all
    select * from talks_held
)

select * from events
