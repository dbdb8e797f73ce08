{#- The limits of the life cycle (vars of dbt_project.yml): when somebody whose last order was at `ordered_at` is at risk, and has lapsed. -#}
{% macro at_risk_at(ordered_at) -%}
    {{ add_days(ordered_at, var('lifecycle_at_risk_days')) }}
{%- endmacro %}

{% macro lapses_at(ordered_at) -%}
    {{ add_days(ordered_at, var('lifecycle_lapsed_days')) }}
{%- endmacro %}
