{{ config(materialized='table') }}

with

-- an event never changes: a second appearance is the same event
appearances as (
    {{ latest_appearances('klaviyo', 'events', key='id') }}
),

parsed as (
    select
        id,
        _extracted_at,
        {{ json_object('attributes', {
            'timestamp': none, 'datetime': none, 'uuid': none, 'event_properties': ['campaign_name', 'subject', 'url'],
        }) }} as event,
        {{ json_object('relationships', {'profile': {'data': ['id']}, 'metric': {'data': ['id']}}) }} as related
    from appearances
),

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

profile_events as (
    select
        -- ids
        parsed.id as event_id,
        parsed.related.profile.data.id as profile_id,
        parsed.related.metric.data.id as metric_id,
        -- strings
        metrics.metric_name,
        {{ text_or_null('parsed.event.event_properties.campaign_name') }} as campaign,
        {{ text_or_null('parsed.event.event_properties.subject') }} as subject,
        {{ text_or_null('parsed.event.event_properties.url') }} as url,
        -- timestamps
        coalesce(
            {{ utc_timestamp('parsed.event.datetime') }},
            {{ utc_from_epoch_seconds('parsed.event.timestamp') }}
        ) as occurred_at,
        -- a metric that gets a name gives its events another type
        greatest(
            cast(parsed._extracted_at as timestamp),
            coalesce(metrics.extracted_at, cast(parsed._extracted_at as timestamp))
        ) as extracted_at
    from parsed
    left join metrics on parsed.related.metric.data.id = metrics.metric_id
)

select * from profile_events
