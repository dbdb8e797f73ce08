{#- Rows of a group as one list of structs, in the order given: the way whole tables reach a function. -#}

{#- `fields` maps field names to expressions; `order_by` names expressions without commas, each ascending and never NULL. -#}
{% macro collect_structs(fields, order_by) -%}
    {{ adapter.dispatch('collect_structs', 'kinship')(fields, order_by) }}
{%- endmacro %}

{% macro duckdb__collect_structs(fields, order_by) -%}
    list({ {%- for name, expression in fields.items() %}'{{ name }}': {{ expression }}{{ ', ' if not loop.last }}{% endfor -%} }
        order by {{ order_by }})
{%- endmacro %}

{% macro spark__collect_structs(fields, order_by) -%}
    transform(sort_array(collect_list(struct(
        {%- for expression in order_by.split(',') %}{{ expression }} as order_{{ loop.index }}, {% endfor -%}
        struct({%- for name, expression in fields.items() %}{{ expression }} as {{ name }}{{ ', ' if not loop.last }}{% endfor -%}) as item
    ))), ordered -> ordered.item)
{%- endmacro %}

{#- The values of `expression` as one list, in the order given. -#}
{% macro collect_values(expression, order_by='') -%}
    {{ adapter.dispatch('collect_values', 'kinship')(expression, order_by) }}
{%- endmacro %}

{% macro duckdb__collect_values(expression, order_by) -%}
    list({{ expression }}{% if order_by %} order by {{ order_by }}{% endif %})
{%- endmacro %}

{% macro spark__collect_values(expression, order_by) -%}
    {%- if order_by -%}
    transform(sort_array(collect_list(struct(
        {%- for key in order_by.split(',') %}{{ key }} as order_{{ loop.index }}, {% endfor -%}
        {{ expression }} as item
    ))), ordered -> ordered.item)
    {%- else -%}
    collect_list({{ expression }})
    {%- endif -%}
{%- endmacro %}

{#-
    One row per position of several lists of one length, out of one row of `relation`: `columns` maps column names to the lists.
-#}
{% macro explode_lists(columns, relation) -%}
    {{ adapter.dispatch('explode_lists', 'kinship')(columns, relation) }}
{%- endmacro %}

{% macro duckdb__explode_lists(columns, relation) -%}
    select
        {%- for name, list in columns.items() %}
        unnest({{ list }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
{%- endmacro %}

{% macro spark__explode_lists(columns, relation) -%}
    select {{ columns | join(', ') }}
    from {{ relation }}
    lateral view inline(arrays_zip({{ columns.values() | join(', ') }})) as {{ columns | join(', ') }}
{%- endmacro %}
