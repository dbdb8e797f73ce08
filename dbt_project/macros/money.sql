{#-
    An exact amount rounded to hundredths so that rows still add up: what rounding leaves over is carried to the next row of `order_by`
    (no two rows of a partition may tie in it).
-#}
{% macro carried_amount(exact_amount, partition_by, order_by) -%}
    cast(
        round(sum({{ exact_amount }}) over (
            partition by {{ partition_by }} order by {{ order_by }}
            rows between unbounded preceding and current row
        ), 2)
        - round(sum({{ exact_amount }}) over (
            partition by {{ partition_by }} order by {{ order_by }}
            rows between unbounded preceding and current row
        ) - {{ exact_amount }}, 2)
    as decimal(18, 2))
{%- endmacro %}

{#- An amount in euro: NULL, never 0, when there is no rate for its currency and day. -#}
{% macro in_eur(amount, rate) -%}
    cast(round({{ amount }} * {{ rate }}, 2) as decimal(18, 2))
{%- endmacro %}

{#- What of an exact amount falls to each of `count`, halves of a hundredth upwards on every engine; NULL when there is nobody. -#}
{% macro amount_each(amount, count) -%}
    cast(
        floor(
            (cast({{ amount }} * 200 as bigint) + {{ count }}) / nullif(cast(2 * {{ count }} as double), 0)
        ) / 100 as decimal(18, 2)
    )
{%- endmacro %}
