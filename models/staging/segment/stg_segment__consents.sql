{{ config(materialized='table') }}

with

messages as (
    select
        record_id,
        is_analytics_allowed,
        is_advertising_allowed,
        is_marketing_allowed,
        occurred_at,
        message_id
    from {{ ref('stg_segment__messages') }}
    where
        record_id is not null and occurred_at is not null
        and coalesce(is_analytics_allowed, is_advertising_allowed, is_marketing_allowed) is not null
),

{%- set purposes = ['analytics', 'advertising', 'marketing'] %}

preferences as (
    {%- for purpose in purposes %}
    select
        record_id,
        '{{ purpose }}' as purpose,
        is_{{ purpose }}_allowed as is_allowed,
        lag(is_{{ purpose }}_allowed) over (partition by record_id order by occurred_at, message_id) as was_allowed,
        occurred_at
    from messages
    where is_{{ purpose }}_allowed is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- every message repeats the choice: only a changed one is a new one
said as (
    select
        record_id,
        purpose,
        'web' as channel,
        case when is_allowed then 'granted' when was_allowed then 'withdrawn' else 'denied' end as status,
        'consent' as legal_basis,
        occurred_at as captured_at,
        occurred_at as observed_at
    from preferences
    where was_allowed is null or is_allowed <> was_allowed
),

consents as (
    {{ consent_rows('segment', 'said') }}
)

select * from consents
