{#- The distinct values of a group in order, joined as one text: `a, b, c`. -#}
{% macro string_list(value) -%}
    {{ adapter.dispatch('string_list', 'kinship')(value) }}
{%- endmacro %}

{% macro duckdb__string_list(value) -%}
    string_agg(distinct {{ value }}, ', ' order by {{ value }})
{%- endmacro %}

{% macro spark__string_list(value) -%}
    array_join(sort_array(collect_set({{ value }})), ', ')
{%- endmacro %}
