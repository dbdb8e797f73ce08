{#- The moment the models look from, as a scalar: the one value of `customers.int_customers__as_of`. -#}
{% macro as_of() -%}
    (select as_of from {{ ref('int_customers__as_of') }})
{%- endmacro %}
