{#- What `customers.customer_events` and `customers.customer_sessions` are made with (docs/timeline.md). -#}

{#-
    Rows of `relation` with `session_id`: the id of the event the session begins with. A session ends after `session_minutes` in which
    the person did nothing on that browser or installation; not at midnight, and not with another campaign. An event whose source does not
    say the device has no session.
-#}
{% macro with_sessions(relation) -%}
    select
        marked.*,
        case
            when device_record_id is not null then {{ last_known('begins_with') }} over (
                partition by customer_id, source, device_record_id
                order by occurred_at, event_id
                rows between unbounded preceding and current row
            )
        end as session_id
    from (
        select
            {{ relation }}.*,
            case
                when {{ add_minutes('lag(occurred_at) over device', var('session_minutes')) }} >= occurred_at then null
                else event_id
            end as begins_with
        from {{ relation }}
        window device as (partition by customer_id, source, device_record_id order by occurred_at, event_id)
    ) as marked
{%- endmacro %}

{#- The last value that is not NULL, as a window function. -#}
{% macro last_known(value) -%}
    {{ adapter.dispatch('last_known', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}
