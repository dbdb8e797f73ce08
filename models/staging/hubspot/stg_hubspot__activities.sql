with

latest_calls as (
    {{ latest_appearances('hubspot', 'calls', key='id', changed_at='updated_at') }}
),

latest_meetings as (
    {{ latest_appearances('hubspot', 'meetings', key='id', changed_at='updated_at') }}
),

calls as (
    select
        *,
        {{ json_object('properties', ['hs_timestamp', 'hs_call_status']) }} as said
    from latest_calls
),

meetings as (
    select
        *,
        {{ json_object('properties', ['hs_timestamp', 'hs_meeting_start_time', 'hs_meeting_outcome']) }} as said
    from latest_meetings
),

told as (
    select
        id,
        'calls' as table_name,
        associations,
        archived,
        said.hs_call_status as outcome,
        said.hs_timestamp as starts_at,
        created_at,
        updated_at
    from calls
    union all
    select
        id,
        'meetings' as table_name,
        associations,
        archived,
        said.hs_meeting_outcome as outcome,
        coalesce(said.hs_meeting_start_time, said.hs_timestamp) as starts_at,
        created_at,
        updated_at
    from meetings
),

activities as (
    select
        -- ids
        table_name,
        id as activity_id,
        -- strings
        {{ json_text('associations', '.contacts.results') }} as contacts,
        {{ text_or_null('lower(outcome)') }} as outcome,
        case when lower(archived) = 'true' then 'archived' else 'staged' end as record_class,
        -- timestamps
        {{ utc_timestamp('starts_at') }} as starts_at,
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('updated_at') }} as updated_at
    from told
)

select * from activities
