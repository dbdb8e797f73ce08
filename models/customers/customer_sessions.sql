{{ config(
    materialized='incremental',
    unique_key='session_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_vanished_sessions() }}",
) }}

with

traffic_channels as (
    select * from {{ ref('int_customers__traffic_channels') }}
),

{% if is_incremental() -%}
-- with an event that is new or has changed, or with traffic that has another channel now
touched as (
    select session_id
    from {{ ref('customer_events') }}
    where
        session_id is not null
        and changed_at > (select coalesce(max(changed_at), cast('1970-01-01' as timestamp)) from {{ this }})
    union
    select held.session_id
    from {{ this }} as held
    left join traffic_channels
        on {{ same_traffic('held', 'traffic_channels') }}
    where held.channel <> {{ session_channel('held') }}
),

{% endif -%}
events as (
    select
        *,
        coalesce(utm_source, utm_medium, campaign, referrer_host) is not null as has_origin
    from {{ ref('customer_events') }}
    where session_id is not null
    {%- if is_incremental() %}
        and session_id in (select session_id from touched)
    {%- endif %}
),

ordered as (
    select
        *,
        row_number() over (partition by session_id order by occurred_at, event_id) as place,
        row_number() over (partition by session_id, has_origin order by occurred_at, event_id) as place_of_origin,
        row_number() over (partition by session_id, page_path is null order by occurred_at, event_id) as place_of_page
    from events
),

-- where a visitor came from is what the first event says that knows it
sessions as (
    select
        session_id,
        customer_id,
        source,
        device_record_id as record_id,
        max(case when has_origin and place_of_origin = 1 then utm_source end) as utm_source,
        max(case when has_origin and place_of_origin = 1 then utm_medium end) as utm_medium,
        max(case when has_origin and place_of_origin = 1 then campaign end) as campaign,
        max(case when has_origin and place_of_origin = 1 then referrer_host end) as referrer_host,
        max(case when place_of_page = 1 then page_path end) as landing_page,
        max(case when place = 1 then channel end) = 'app' as is_app,
        cast(count(*) as integer) as event_count,
        cast(count(*) filter (where event_type in ('page_viewed', 'screen_viewed')) as integer) as page_view_count,
        cast(count(*) filter (where event_type = 'product_viewed') as integer) as product_view_count,
        cast(count(*) filter (where event_type = 'product_added') as integer) as cart_add_count,
        count(*) filter (where event_type = 'checkout_started') > 0 as has_checkout,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        max(changed_at) as changed_at
    from ordered
    group by session_id, customer_id, source, device_record_id
),

customer_sessions as (
    select
        sessions.session_id,
        sessions.customer_id,
        sessions.source,
        sessions.record_id,
        {{ session_channel('sessions') }} as channel,
        sessions.utm_source,
        sessions.utm_medium,
        sessions.campaign,
        sessions.referrer_host,
        sessions.landing_page,
        sessions.is_app,
        sessions.event_count,
        sessions.page_view_count,
        sessions.product_view_count,
        sessions.cart_add_count,
        sessions.has_checkout,
        sessions.started_at,
        sessions.ended_at,
        sessions.changed_at
    from sessions
    left join traffic_channels
        on {{ same_traffic('sessions', 'traffic_channels') }}
)

select * from customer_sessions
