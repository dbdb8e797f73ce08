{{ config(
    materialized='incremental',
    unique_key='event_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_vanished_events() }}",
) }}
{#- dbt looks for what a model reads in a build from nothing; only an increment reads this. -#}
{%- do ref('identity_assignments') -%}
{#- Read again of each source: what was taken in since, or everything when we hold what it tells no more. -#}
{%- set after, drifted = {}, [] -%}
{%- if is_incremental() -%}
    {%- for row in run_query(extracted_until(this)).rows -%}
        {%- do after.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- for row in run_query(drifted_sources(this, after)).rows -%}
        {%- do drifted.append(row[0]) -%}
        {%- do after.pop(row[0], none) -%}
    {%- endfor -%}
{%- endif -%}

with

events as (
    {{ union_sources('events', after) }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

-- on a device of several people the one who was logged in
device_owners as (
    select * from {{ ref('identity_device_owners') }}
),

told as (
    select
        {{ event_fields('events', event_id="events.source || ':' || events.event_id") }}
    from events
    {{ join_owners('events') }}
),

{% if is_incremental() -%}
{{ timeline_changes('told', this, drifted) }}
{%- else -%}
timeline as (
    select * from told
),
{%- endif %}

sessionised as (
    {{ with_sessions('timeline') }}
),

customer_events as (
    select
        {{ event_fields('sessionised', owned_by='sessionised') }},
        sessionised.session_id,
        {{ current_utc() }} as changed_at
    from sessionised
    {%- if is_incremental() %}
    -- of what was only looked at again, what is in another session now, or in one that an event has left
    where
        is_fresh
        or session_id <> held_session_id
        or held_session_id in (select session_id from left_sessions)
    {%- endif %}
)

select * from customer_events
