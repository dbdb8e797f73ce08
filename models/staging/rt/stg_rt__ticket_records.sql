{{ config(materialized='table') }}

with

appearances as (
    {{ latest_appearances('rt', 'tickets', key='id', changed_at='last_updated') }}
),

ticket_records as (
    select
        -- ids
        id as ticket_id,
        coalesce({{ text_or_null('effective_id') }}, id) as effective_ticket_id,
        {{ text_or_null(json_text('creator', '.id')) }} as creator_id,
        -- strings
        {{ text_or_null('subject') }} as subject,
        {{ text_or_null('lower(status)') }} as status,
        {{ text_or_null(json_text('queue', '.Name')) }} as queue_name,
        requestor as requestors,
        -- what has become of the ticket
        case when {{ text_or_null('effective_id') }} <> id then 'merged' else 'staged' end as record_class,
        -- numerics
        try_cast(priority as integer) as priority_number,
        -- timestamps: RT writes the year 1970 where there is none
        {{ utc_timestamp('created') }} as created_at,
        {{ utc_timestamp("nullif(resolved, '1970-01-01T00:00:00Z')") }} as resolved_at,
        {{ utc_timestamp('last_updated') }} as updated_at
    from appearances
)

select * from ticket_records
