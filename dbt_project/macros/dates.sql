{#- `timestamp` moved by a number of hours or days (negative: earlier). -#}
{% macro add_hours(timestamp, hours) -%}
    {{ timestamp }} + {{ hours }} * interval '1' hour
{%- endmacro %}

{% macro add_days(timestamp, days) -%}
    {{ timestamp }} + {{ days }} * interval '1' day
{%- endmacro %}

{#- Whole days from `earlier` to `later`, by calendar date in UTC. -#}
{% macro days_between(earlier, later) -%}
    {{ adapter.dispatch('days_between', 'kinship')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    cast(datediff({{ later }}, {{ earlier }}) as bigint)
{%- endmacro %}

{#- `timestamp` moved by a number of minutes. -#}
{% macro add_minutes(timestamp, minutes) -%}
    {{ timestamp }} + {{ minutes }} * interval '1' minute
{%- endmacro %}
