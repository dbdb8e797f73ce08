{#- Rows of an older version do not say whose they are: they go in any case. -#}
{%- set changes = ref('int_customers__journey_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook=[
        "delete from {{ this }} where changed_at is null",
        "{{ delete_stale(ref('int_customers__journey_changes')) }}",
    ],
) }}

with

order_touches as (
    select * from {{ ref('int_customers__order_touches') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

aged as (
    select
        *,
        {{ seconds_between('touched_at', 'ordered_at') }} / 86400 as age_days
    from order_touches
),

raw_weights as (
    select
        *,
        power(2.0, -age_days / {{ var('attribution_half_life_days') }}) as freshness
    from aged
),

touch_weights as (
    select
        order_id,
        customer_id,
        touchpoint_id,
        channel,
        campaign,
        touch_place,
        cast(count(*) over (partition by order_id, channel) as integer) as channel_touches,
        cast(case when touch_place = 1 then 1 else 0 end as double) as first_touch,
        cast(case when touch_place = touch_count then 1 else 0 end as double) as last_touch,
        cast(1 as double) / touch_count as linear,
        freshness / sum(freshness) over (partition by order_id) as time_decay,
        {{ changes_up_to(changes) }} as changed_at
    from raw_weights
)

select * from touch_weights
