{#- The effects of channels change with every order: all shares are worked out anew. -#}
with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

effects as (
    select
        touch_weights.*,
        -- a channel's effect counts once in a path, however often the channel was met
        coalesce(channel_effects.removal_effect, 0) / touch_weights.channel_touches as effect
    from {{ ref('int_customers__touch_weights') }} as touch_weights
    left join {{ ref('int_customers__channel_effects') }} as channel_effects
        on touch_weights.channel = channel_effects.channel
),

path_effects as (
    select
        *,
        sum(effect) over (partition by order_id) as path_effect
    from effects
),

weights as (
    select
        order_id,
        touchpoint_id,
        'data_driven' as model,
        channel,
        campaign,
        touch_place,
        -- a path of channels without effect is shared evenly
        case when path_effect > 0 then effect / path_effect else linear end as weight,
        false as is_whole
    from path_effects
    where effect > 0 or path_effect = 0
),

{{ share_out_cents('weights') }}

data_driven_attributions as (
    select * from shared_out
)

select * from data_driven_attributions
