{#- What a candidate is judged by, each in logarithms. 6 digits: the last ones depend on the order in which a machine adds up. -#}
{% macro next_product_features() -%}
    {%- set is_own = 'case when histories.product_id is null then 0 else 1 end' -%}
    {%- set related = 'ln(1 + 20 * coalesce(related_products.relatedness, 0))' -%}
    {%- set popular = 'ln(1 + coalesce(popular_products.buyer_count, 0))' -%}
    cast({{ is_own }} as double) as x_own,
        round(ln(coalesce(histories.order_count, 1)), 6) as x_own_orders,
        round(ln(coalesce(cast(histories.order_count as double) / histories.order_total, 1)), 6) as x_own_share,
        round(ln(1 + coalesce(histories.age_days, 0)), 6) as x_own_age,
        round({{ related }}, 6) as x_related,
        round({{ is_own }} * {{ related }}, 6) as x_own_related,
        round({{ popular }}, 6) as x_popular,
        round({{ is_own }} * {{ popular }}, 6) as x_own_popular
{%- endmacro %}
