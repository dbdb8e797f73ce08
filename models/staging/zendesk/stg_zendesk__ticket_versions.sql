{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('zendesk', 'tickets', key='id', changed_at='updated_at', created_at='created_at') }}
),

ticket_versions as (
    select
        -- ids
        id as ticket_id,
        {{ text_or_null('requester_id') }} as requester_id,
        {{ text_or_null('assignee_id') }} as assignee_id,
        -- strings
        {{ text_or_null('subject') }} as subject,
        {{ text_or_null('description') }} as description,
        {{ text_or_null('lower(status)') }} as status,
        {{ text_or_null('lower(priority)') }} as priority,
        {{ text_or_null('lower(type)') }} as ticket_type,
        {{ text_or_null(json_text('via', '.channel')) }} as via_channel,
        tags,
        -- numerics: 1 is the latest
        appearance,
        -- booleans
        is_latest,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        coalesce(changed_at, {{ utc_timestamp('created_at') }}) as changed_at
    from appearances
)

select * from ticket_versions
