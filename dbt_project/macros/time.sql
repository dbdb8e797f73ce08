{#- Text in ISO 8601 as a UTC timestamp without zone. Text without an offset is taken as UTC; what is no time is NULL. -#}
{% macro utc_timestamp(value) -%}
    {{ adapter.dispatch('utc_timestamp', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__utc_timestamp(value) -%}
    timezone('UTC', try_cast({{ value }} as timestamptz))
{%- endmacro %}

{% macro spark__utc_timestamp(value) -%}
    cast(try_cast({{ value }} as timestamp_ltz) as timestamp_ntz)
{%- endmacro %}

{#- Seconds since 1970 (text or number) as a UTC timestamp without zone; NULL when not a number or out of range. -#}
{% macro utc_from_epoch_seconds(value) -%}
    {{ adapter.dispatch('utc_from_epoch_seconds', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__utc_from_epoch_seconds(value) -%}
    try(make_timestamp(try_cast(try_cast({{ value }} as double) * 1000000 as bigint)))
{%- endmacro %}

{% macro spark__utc_from_epoch_seconds(value) -%}
    cast(timestamp_micros(try_cast(try_cast({{ value }} as double) * 1000000 as bigint)) as timestamp_ntz)
{%- endmacro %}
