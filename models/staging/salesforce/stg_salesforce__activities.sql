with

tasks as (
    {{ latest_appearances('salesforce', 'tasks', key='id', changed_at='system_modstamp') }}
),

events as (
    {{ latest_appearances('salesforce', 'events', key='id', changed_at='system_modstamp') }}
),

-- of a task the end is when it was done; one that is closed without a time was done on its day
told as (
    select
        id,
        'tasks' as table_name,
        who_id,
        is_deleted,
        coalesce(nullif(task_subtype, 'Task'), type) as activity_type,
        status,
        lower(is_closed) = 'true' as is_closed,
        lower(is_recurrence) = 'true' as is_series,
        false as is_copy,
        coalesce(completed_date_time, activity_date) as starts_at,
        coalesce(completed_date_time, activity_date) as ends_at,
        created_date,
        system_modstamp
    from tasks
    union all
    select
        id,
        'events' as table_name,
        who_id,
        is_deleted,
        type as activity_type,
        cast(null as string) as status,
        cast(null as boolean) as is_closed,
        lower(is_recurrence) = 'true' as is_series,
        lower(is_child) = 'true' as is_copy,
        start_date_time as starts_at,
        coalesce(end_date_time, start_date_time) as ends_at,
        created_date,
        system_modstamp
    from events
),

activities as (
    select
        -- ids: those of leads begin with 00Q, all others are contacts
        table_name,
        id as activity_id,
        case when left(trim(who_id), 3) = '00Q' then 'leads:' else 'contacts:' end
        || {{ text_or_null('who_id') }} as record_id,
        -- strings
        {{ text_or_null('lower(activity_type)') }} as activity_type,
        {{ text_or_null('status') }} as activity_status,
        case when lower(is_deleted) = 'true' then 'archived' else 'staged' end as record_class,
        -- booleans
        is_closed,
        coalesce(is_series, false) as is_series,
        coalesce(is_copy, false) as is_copy,
        -- timestamps
        {{ utc_timestamp('starts_at') }} as starts_at,
        {{ utc_timestamp('ends_at') }} as ends_at,
        {{ utc_timestamp('created_date') }} as created_at,
        {{ utc_timestamp('system_modstamp') }} as updated_at
    from told
)

select * from activities
