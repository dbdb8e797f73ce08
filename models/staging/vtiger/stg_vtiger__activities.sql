with

appearances as (
    {{ latest_appearances('vtiger', 'events', key='id', changed_at='modifiedtime') }}
),

activities as (
    select
        -- ids
        id as activity_id,
        {{ text_or_null('contact_id') }} as contact_id,
        -- strings
        {{ text_or_null('subject') }} as subject,
        {{ text_or_null('activitytype') }} as activity_type,
        {{ text_or_null('eventstatus') }} as activity_status,
        -- timestamps
        {{ utc_timestamp("date_start || ' ' || coalesce(nullif(trim(time_start), ''), '00:00:00')") }} as starts_at,
        {{ utc_timestamp('createdtime') }} as created_at,
        {{ utc_timestamp('modifiedtime') }} as updated_at
    from appearances
)

select * from activities
