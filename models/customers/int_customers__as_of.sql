{{ config(materialized='table') }}

with

events as (
    {{ union_sources('events') }}
),

-- a clock that is wrong at a source must not move ours into the future
latest as (
    select max(occurred_at) as occurred_at
    from events
    where occurred_at <= {{ current_utc() }}
),

as_of as (
    {% if var('as_of') %}
        select cast('{{ var("as_of") }}' as timestamp) as as_of
    {% else %}
    select occurred_at as as_of
    from latest
    {% endif %}
)

select * from as_of
