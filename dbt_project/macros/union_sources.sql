{#-
    All sources' fixed-shape staging models of one kind (`identifiers`, `attributes`, `events`, `consents`, `orders`), one under the other.
    The list of sources in dbt_project.yml says who ships which; docs/sources.md says the columns.
-#}
{% macro union_sources(kind) -%}
    {%- set shipped = [] -%}
    {%- for source, kinds in var('sources').items() if kind in kinds -%}
        {%- do shipped.append(ref('stg_' ~ source ~ '__' ~ kind)) -%}
    {%- endfor -%}
    {%- for relation in shipped %}
    select * from {{ relation }}
    {%- if not loop.last %}
    union all
    {%- endif -%}
    {%- endfor %}
{%- endmacro %}
