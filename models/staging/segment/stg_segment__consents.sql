{{ config(materialized='table') }}

{%- set purposes = ['analytics', 'advertising', 'marketing'] %}

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

visitors as (
    select
        {%- for purpose in purposes %}
        min(is_{{ purpose }}_allowed) as {{ purpose }}_least,
        max(is_{{ purpose }}_allowed) as {{ purpose }}_most,
        min(case when is_{{ purpose }}_allowed is not null then occurred_at end) as {{ purpose }}_from,
        {%- endfor %}
        record_id
    from messages
    group by record_id
),

-- every message repeats the choice, and nearly nobody changes it: only the messages of those who do are put in order
{%- for purpose in purposes %}
{{ purpose }}_choices as (
    select
        record_id,
        '{{ purpose }}' as purpose,
        {{ purpose }}_least as is_allowed,
        cast(null as boolean) as was_allowed,
        {{ purpose }}_from as occurred_at
    from visitors
    where {{ purpose }}_least = {{ purpose }}_most
    union all
    select
        messages.record_id,
        '{{ purpose }}' as purpose,
        messages.is_{{ purpose }}_allowed as is_allowed,
        lag(messages.is_{{ purpose }}_allowed) over (
            partition by messages.record_id order by messages.occurred_at, messages.message_id
        ) as was_allowed,
        messages.occurred_at
    from messages
    inner join visitors on messages.record_id = visitors.record_id
    where visitors.{{ purpose }}_least <> visitors.{{ purpose }}_most and messages.is_{{ purpose }}_allowed is not null
),
{%- endfor %}

-- only a changed choice is a new one
said as (
    {%- for purpose in purposes %}
    select
        record_id,
        purpose,
        'web' as channel,
        case when is_allowed then 'granted' when was_allowed then 'withdrawn' else 'denied' end as status,
        'consent' as legal_basis,
        occurred_at as captured_at,
        occurred_at as observed_at
    from {{ purpose }}_choices
    where was_allowed is null or is_allowed <> was_allowed
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

consents as (
    {{ consent_rows('segment', 'said') }}
)

select * from consents
