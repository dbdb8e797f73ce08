{%- set own_channels = var('attribution_own_channels') | join("', '") -%}
with

sessions as (
    select * from {{ ref('customer_sessions') }}
    where started_at <= {{ as_of() }}
),

clicks as (
    select
        *,
        lag(occurred_at) over (
            partition by customer_id, event_type, campaign order by occurred_at, event_id
        ) as previous_click_at
    from {{ ref('customer_events') }}
    where event_type in ('email_clicked', 'sms_clicked') and occurred_at <= {{ as_of() }}
),

-- a second link of one message within half an hour is the same reading
first_clicks as (
    select * from clicks
    where previous_click_at is null or occurred_at >= {{ add_minutes('previous_click_at', 30) }}
),

-- the visit that a click leads to tells of it again
landed as (
    select distinct first_clicks.event_id
    from first_clicks
    inner join sessions
        on
            first_clicks.customer_id = sessions.customer_id
            and first_clicks.channel = sessions.channel
            and first_clicks.occurred_at <= sessions.started_at
            and {{ add_minutes('first_clicks.occurred_at', 30) }} > sessions.started_at
),

touchpoints as (
    select
        'session:' || session_id as touchpoint_id,
        customer_id,
        'visit' as touch_type,
        channel,
        campaign,
        session_id,
        started_at as touched_at
    from sessions
    union all
    select
        first_clicks.event_id as touchpoint_id,
        first_clicks.customer_id,
        first_clicks.event_type as touch_type,
        first_clicks.channel,
        first_clicks.campaign,
        cast(null as {{ dbt.type_string() }}) as session_id,
        first_clicks.occurred_at as touched_at
    from first_clicks
    left join landed on first_clicks.event_id = landed.event_id
    where landed.event_id is null
),

customer_touchpoints as (
    select
        *,
        campaign is null and channel in ('{{ own_channels }}') as is_own
    from touchpoints
)

select * from customer_touchpoints
