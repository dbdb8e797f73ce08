with

order_touches as (
    select * from {{ ref('int_customers__order_touches') }}
),

channel_effects as (
    select * from {{ ref('int_customers__channel_effects') }}
),

aged as (
    select
        *,
        {{ seconds_between('touched_at', 'ordered_at') }} / 86400 as age_days
    from order_touches
),

raw_weights as (
    select
        aged.*,
        power(2.0, -aged.age_days / {{ var('attribution_half_life_days') }}) as freshness,
        -- a channel's effect counts once in a path, however often the channel was met
        coalesce(channel_effects.removal_effect, 0)
        / count(*) over (partition by aged.order_id, aged.channel) as effect
    from aged
    left join channel_effects on aged.channel = channel_effects.channel
),

touch_weights as (
    select
        order_id,
        touchpoint_id,
        channel,
        campaign,
        touch_place,
        cast(case when touch_place = 1 then 1 else 0 end as double) as first_touch,
        cast(case when touch_place = touch_count then 1 else 0 end as double) as last_touch,
        cast(1 as double) / touch_count as linear,
        freshness / sum(freshness) over (partition by order_id) as time_decay,
        -- a path of channels without effect is shared evenly
        case
            when sum(effect) over (partition by order_id) > 0 then effect / sum(effect) over (partition by order_id)
            else cast(1 as double) / touch_count
        end as data_driven
    from raw_weights
)

select * from touch_weights
