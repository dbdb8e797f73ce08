{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_older_learning(ref('int_predictions__basket_moments')) }}",
) }}
{%- set lines, moments = ref('int_predictions__learning_lines'), ref('int_predictions__basket_moments') %}

with

all_moments as (
    select
        *,
        {{ add_days('moment', 'horizon_days') }} as ends_at,
        max(moment) over () as known_at
    from (
        {{ moments_to_learn(moments) }}
    ) as moments
),

basket_moments as (
    select * from all_moments
    where cut_number > 0
),

orders_after as (
    select
        basket_moments.cut_number,
        basket_moments.changed_at,
        lines.customer_id,
        lines.order_id,
        min(lines.ordered_at) as ordered_at
    from {{ lines_to_learn_from(lines, moments) }} as lines
    inner join basket_moments
        on lines.ordered_at > basket_moments.moment and lines.ordered_at <= basket_moments.ends_at
    where lines.cancelled_at is null or lines.cancelled_at > basket_moments.known_at
    group by basket_moments.cut_number, basket_moments.changed_at, lines.customer_id, lines.order_id
),

-- only of those who are learned from and were known: to a stranger nothing can be recommended by what they bought
next_orders as (
    select
        orders_after.*,
        row_number() over (
            partition by orders_after.cut_number, orders_after.customer_id
            order by orders_after.ordered_at, orders_after.order_id
        ) as order_place
    from orders_after
    inner join {{ ref('int_predictions__purchases') }} as purchases
        on
            orders_after.cut_number = purchases.cut_number
            and orders_after.customer_id = purchases.customer_id
            and purchases.place = 1
),

judged as (
    select
        *,
        row_number() over (partition by cut_number order by md5(customer_id)) as person_place
    from next_orders
    where order_place = 1
),

next_baskets as (
    select distinct
        judged.cut_number,
        judged.customer_id,
        lines.product_id,
        judged.changed_at
    from judged
    inner join {{ lines_to_learn_from(lines, moments) }} as lines on judged.order_id = lines.order_id
    where judged.person_place <= {{ var('next_products_judged') }}
)

select * from next_baskets
