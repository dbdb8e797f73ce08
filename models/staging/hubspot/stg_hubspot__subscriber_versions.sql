{{ config(materialized='table') }}

with

-- HubSpot tells no time of change of the whole: the order is that in which we took them
appearances as (
    {{ ranked_appearances(raw('hubspot', 'subscription_statuses'), 'subscriber_id_string') }}
),

subscriber_versions as (
    select
        -- ids: an address is a record of its own, as it stays the same when its contact changes
        subscriber_id_string as subscriber_id,
        'subscribers:' || md5(lower(trim(subscriber_id_string))) as record_id,
        -- strings
        {{ text_or_null('subscriber_id_string') }} as email,
        statuses,
        -- booleans
        appearance = 1 as is_latest
    from appearances
)

select * from subscriber_versions
