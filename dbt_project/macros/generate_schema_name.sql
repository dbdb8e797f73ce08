{#- The schema is the layer's name, the same on every target: `customers.customers`, not `main_customers.customers`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
