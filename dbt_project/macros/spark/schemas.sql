{#- A schema's tables lie in the folder of its name in the lake: readers without Spark find them there (docs/scale.md). -#}
{% macro spark__create_schema(relation) -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation }} location '{{ env_var("KINSHIP_LAKE") }}/{{ relation.schema }}'
    {%- endcall -%}
{%- endmacro %}
