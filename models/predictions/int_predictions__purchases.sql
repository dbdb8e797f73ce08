{#- Of those who are learned from; kept as long as nothing else is learned. -#}
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

lines_until as (
    select
        basket_moments.cut_number,
        lines.*,
        basket_moments.changed_at
    from {{ lines_to_learn_from(lines, moments) }} as lines
    inner join basket_moments
        on
            lines.ordered_at <= basket_moments.moment
            and (lines.cancelled_at is null or lines.cancelled_at > basket_moments.moment)
),

-- by hashes: the lowest are a fair sample
learned_from as (
    select
        cut_number,
        customer_id,
        changed_at,
        row_number() over (partition by cut_number order by md5(customer_id)) as person_place
    from lines_until
    group by cut_number, customer_id, changed_at
),

known_lines as (
    select lines_until.*
    from lines_until
    inner join learned_from
        on lines_until.cut_number = learned_from.cut_number and lines_until.customer_id = learned_from.customer_id
    where learned_from.person_place <= {{ var('predictions_learners') }}
),

{{ bought_by_people() }}

kept_purchases as (
    select
        purchases.*,
        basket_moments.changed_at
    from purchases
    inner join basket_moments on purchases.cut_number = basket_moments.cut_number
)

select * from kept_purchases
