{#-
    Nested values arrive as JSON text. Each macro reads a column's text once, however many fields are wanted: twelve single look-ups
    cost 4.9 s a million rows, one object with twelve fields 1.1 s. Text that is not JSON, and a field that is missing or of another shape, is NULL.
-#}

{#-
    The named fields of a JSON object, as one struct whose leaves are text.

    `fields` is a list of names, or a mapping of names to the fields below them: {'page': ['path', 'url'], 'device': ['id']}.
    Address them as `parsed.page.path`.
-#}
{% macro json_object(column, fields) -%}
    {{ adapter.dispatch('json_object', 'kinship')(column, fields) }}
{%- endmacro %}

{% macro duckdb__json_object(column, fields) -%}
    try(from_json({{ column }}, '{{ duckdb_json_shape(fields) }}'))
{%- endmacro %}

{% macro spark__json_object(column, fields) -%}
    from_json({{ column }}, '{{ spark_json_shape(fields) }}')
{%- endmacro %}

{#- A JSON list of objects, as a list of structs (`fields` as above); `explode_list` makes rows of it. -#}
{% macro json_objects(column, fields) -%}
    {{ adapter.dispatch('json_objects', 'kinship')(column, fields) }}
{%- endmacro %}

{% macro duckdb__json_objects(column, fields) -%}
    try(from_json({{ column }}, '[{{ duckdb_json_shape(fields) }}]'))
{%- endmacro %}

{% macro spark__json_objects(column, fields) -%}
    from_json({{ column }}, 'array<{{ spark_json_shape(fields) }}>')
{%- endmacro %}

{#- One row per element of a list; stands in a select list, beside other columns. No row for an empty list or NULL. -#}
{% macro explode_list(list) -%}
    {{ adapter.dispatch('explode_list', 'kinship')(list) }}
{%- endmacro %}

{% macro duckdb__explode_list(list) -%}
    unnest({{ list }})
{%- endmacro %}

{% macro spark__explode_list(list) -%}
    explode({{ list }})
{%- endmacro %}

{#- One text out of a JSON column, by a path such as `[0].code`. -#}
{% macro json_text(column, path) -%}
    {{ adapter.dispatch('json_text', 'kinship')(column, path) }}
{%- endmacro %}

{% macro duckdb__json_text(column, path) -%}
    try(json_extract_string({{ column }}, '${{ path }}'))
{%- endmacro %}

{% macro spark__json_text(column, path) -%}
    get_json_object({{ column }}, '${{ path }}')
{%- endmacro %}

{% macro duckdb_json_shape(fields) -%}
    {
    {%- for name in fields -%}
        "{{ name }}":{% if fields is mapping and fields[name] %}{{ duckdb_json_shape(fields[name]) }}{% else %}"VARCHAR"{% endif %}
        {%- if not loop.last %},{% endif -%}
    {%- endfor -%}
    }
{%- endmacro %}

{% macro spark_json_shape(fields) -%}
    struct<
    {%- for name in fields -%}
        `{{ name }}`: {% if fields is mapping and fields[name] %}{{ spark_json_shape(fields[name]) }}{% else %}string{% endif %}
        {%- if not loop.last %}, {% endif -%}
    {%- endfor -%}
    >
{%- endmacro %}
