{#-
    Where a person stands: `visitor` (nobody we can write to), `lead` (known, no order), then by the days since the last order:
    `active` (up to 60), `at_risk` (up to 120), `lapsed` (more).
-#}
{% macro lifecycle_stage(email, phone, order_count, last_order_at, as_of) -%}
    case
        when {{ order_count }} is null and {{ email }} is null and {{ phone }} is null then 'visitor'
        when {{ order_count }} is null then 'lead'
        when {{ last_order_at }} >= {{ add_days(as_of, -60) }} then 'active'
        when {{ last_order_at }} >= {{ add_days(as_of, -120) }} then 'at_risk'
        else 'lapsed'
    end
{%- endmacro %}
