{#- `value` without every match of `pattern`. Patterns keep to what RE2 and Java read alike and hold no quote and no backslash. -#}
{% macro regexp_remove(value, pattern) -%}
    {{ adapter.dispatch('regexp_remove', 'kinship')(value, pattern) }}
{%- endmacro %}

{% macro duckdb__regexp_remove(value, pattern) -%}
    regexp_replace({{ value }}, '{{ pattern }}', '', 'g')
{%- endmacro %}

{% macro spark__regexp_remove(value, pattern) -%}
    regexp_replace({{ value }}, '{{ pattern }}', '')
{%- endmacro %}

{#- True when the whole of `value` matches `pattern`. -#}
{% macro regexp_full_match(value, pattern) -%}
    {{ adapter.dispatch('regexp_full_match', 'kinship')(value, pattern) }}
{%- endmacro %}

{% macro duckdb__regexp_full_match(value, pattern) -%}
    regexp_full_match({{ value }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__regexp_full_match(value, pattern) -%}
    {{ value }} rlike '^({{ pattern }})$'
{%- endmacro %}
