{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_older_learning(ref('int_predictions__basket_moments')) }}",
) }}
{%- set lines, moments = ref('int_predictions__learning_lines'), ref('int_predictions__basket_moments') %}

with

basket_moments as (
    {{ moments_to_learn(moments) }}
),

counted as (
    select
        basket_moments.cut_number,
        lines.product_id,
        count(distinct lines.customer_id) as buyer_count
    from {{ lines_to_learn_from(lines, moments) }} as lines
    inner join basket_moments
        on
            {{ is_within('lines.ordered_at', 90, 'basket_moments.moment') }}
            and (lines.cancelled_at is null or lines.cancelled_at > basket_moments.moment)
    where lines.is_on_sale
    group by basket_moments.cut_number, lines.product_id
),

popular_products as (
    select
        counted.*,
        row_number() over (
            partition by counted.cut_number order by counted.buyer_count desc, counted.product_id asc
        ) as place,
        basket_moments.changed_at
    from counted
    inner join basket_moments on counted.cut_number = basket_moments.cut_number
)

select * from popular_products
