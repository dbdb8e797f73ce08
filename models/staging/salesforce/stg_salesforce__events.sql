with

leads as (
    select * from {{ ref('stg_salesforce__leads') }}
),

deals as (
    select * from {{ ref('stg_salesforce__deals') }}
    where appearance = 1
),

activities as (
    select * from {{ ref('stg_salesforce__activities') }}
    where record_class = 'staged'
),

leads_created as (
    select
        {{ event_columns('salesforce', {
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
        {{ event_columns('salesforce', {
            'event_id': "'opportunities:' || deal_id",
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

-- a task that is no call or meeting is something to do, not something that was done with the person
tasks_done as (
    select
        *,
        case activity_type when 'call' then 'call_made' else 'meeting_held' end as event_type
    from activities
    where table_name = 'tasks' and is_closed and activity_type in ('call', 'meeting')
),

-- nobody says of an event whether it was held: it was when it is over
events_over as (
    select
        *,
        case activity_type when 'call' then 'call_made' else 'meeting_held' end as event_type
    from activities
    where table_name = 'events' and ends_at <= {{ current_utc() }}
),

held as (
    select * from tasks_done
    union all
    select * from events_over
),

-- the series of what repeats is none of its days, and who else was invited has a copy
talks_held as (
    select
        {{ event_columns('salesforce', {
            'event_id': "table_name || ':' || activity_id",
            'record_id': 'record_id',
            'event_type': 'event_type',
            'channel': "'crm'",
            'occurred_at': 'coalesce(starts_at, created_at, updated_at)',
            'received_at': 'updated_at',
            'detail': 'activity_status',
        }) }}
    from held
    where record_id is not null and not is_series and not is_copy
),

events as (
    select * from leads_created
    union all
    select * from deals_created
    union all
    select * from talks_held
)

select * from events
