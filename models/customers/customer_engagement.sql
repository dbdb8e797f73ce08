with

events as (
    select
        *,
        {{ seconds_between('occurred_at', as_of()) }} / 86400 as age_days
    from {{ ref('customer_events') }}
    where
        channel in ('web', 'app', 'email', 'sms', 'store', 'support')
        and occurred_at <= {{ as_of() }}
),

-- a message opened three times was opened once; what has no campaign counts by itself
messages as (
    select
        customer_id,
        channel,
        coalesce(campaign, event_id) as campaign,
        max(case when event_type in ('email_received', 'sms_received') then 1 else 0 end) as received,
        max(case when event_type = 'email_opened' then 1 else 0 end) as opened,
        max(case when event_type in ('email_clicked', 'sms_clicked') then 1 else 0 end) as clicked
    from events
    where age_days < 365 and channel in ('email', 'sms')
    group by customer_id, channel, coalesce(campaign, event_id)
),

rates as (
    select
        customer_id,
        channel,
        cast(sum(received) as integer) as messages_365_days,
        cast(sum(received * opened) as double) / nullif(sum(received), 0) as open_rate,
        cast(sum(received * clicked) as double) / nullif(sum(received), 0) as click_rate
    from messages
    group by customer_id, channel
),

engaged as (
    select
        customer_id,
        channel,
        count(*) filter (where age_days < 30) as events_30_days,
        count(*) filter (where age_days < 90) as events_90_days,
        count(*) filter (where age_days < 365) as events_365_days,
        sum(power(2.0, -age_days / {{ var('engagement_half_life_days') }})) as points,
        max(occurred_at) as last_engaged_at
    from events
    where {{ is_engagement('event_type') }}
    group by customer_id, channel
),

-- also who gets mail and never opens it
reached as (
    select
        customer_id,
        channel
    from events
    group by customer_id, channel
),

customer_engagement as (
    select
        reached.customer_id,
        reached.channel,
        cast(coalesce(engaged.events_30_days, 0) as integer) as events_30_days,
        cast(coalesce(engaged.events_90_days, 0) as integer) as events_90_days,
        cast(coalesce(engaged.events_365_days, 0) as integer) as events_365_days,
        cast(coalesce(rates.messages_365_days, 0) as integer) as messages_365_days,
        case when reached.channel = 'email' then rates.open_rate end as open_rate,
        rates.click_rate,
        cast(round(100 * coalesce(engaged.points, 0) / (coalesce(engaged.points, 0) + 10)) as integer) as score,
        engaged.last_engaged_at
    from reached
    left join engaged on reached.customer_id = engaged.customer_id and reached.channel = engaged.channel
    left join rates on reached.customer_id = rates.customer_id and reached.channel = rates.channel
)

select * from customer_engagement
