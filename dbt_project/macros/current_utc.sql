{#- Now, as a timestamp without zone in UTC (both engines' sessions run in UTC: profiles.yml). -#}
{% macro current_utc() -%}
    cast(current_timestamp as timestamp)
{%- endmacro %}
