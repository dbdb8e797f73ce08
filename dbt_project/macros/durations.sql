{#- Seconds from `earlier` to `later` (timestamps without zone), fractions included; negative when they stand the other way round. -#}
{% macro seconds_between(earlier, later) -%}
    {{ adapter.dispatch('seconds_between', 'kinship')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__seconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0
{%- endmacro %}

{% macro spark__seconds_between(earlier, later) -%}
    (unix_micros(cast({{ later }} as timestamp_ltz)) - unix_micros(cast({{ earlier }} as timestamp_ltz))) / 1000000.0D
{%- endmacro %}
