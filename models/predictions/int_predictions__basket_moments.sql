{#- What is learned is a function of what is known today; it is kept as long as that is the same. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_older_learning(this) }}",
) }}
{%- set is_held = is_incremental() and execute -%}
{%- set held = adapter.get_columns_in_relation(this) | map(attribute='name') | list if is_held else [] -%}
{#- Another rule is another thing to learn. -#}
{%- set rules = code_of(
    [
        'int_predictions__basket_moments', 'int_predictions__basket_lines', 'int_predictions__learning_lines',
        'int_predictions__purchases', 'int_predictions__product_pairs', 'int_predictions__popular_products',
        'int_predictions__next_baskets', 'int_predictions__next_product_candidates',
    ],
    [
        'next_products_days', 'next_products_shared_buyers', 'next_products_neighbours', 'next_products_per_person',
        'next_products_judged', 'next_products_settling_days', 'predictions_learners',
    ],
    [bought_by_people(), candidates_of_histories()],
) -%}

-- the moment that is learned from, and two cuts before it: weights are learned at the earlier and judged at the later
with

clock as (
    select
        date_trunc('month', {{ add_days('as_of', -var('next_products_settling_days')) }}) as moment
    from {{ ref('int_customers__as_of') }}
),

lines as (
    select
        lines.order_id,
        lines.product_id,
        lines.ordered_at
    from {{ ref('customer_order_lines') }} as lines
    cross join clock
    where lines.quantity > 0 and lines.product_id is not null and lines.ordered_at <= clock.moment
),

-- no joins: each table for itself says whether there is anything else to learn from
told as (
    select
        min(ordered_at) as first_order_at,
        sum({{ columns_hash(['order_id', 'product_id', 'ordered_at']) }}) as said
    from lines
    union all
    select
        cast(null as timestamp) as first_order_at,
        sum({{ columns_hash(['orders.order_id', 'orders.source', 'orders.record_id', known_cancellation()]) }}) as said
    from {{ ref('customer_orders') }} as orders
    cross join clock
    where orders.ordered_at <= clock.moment
    union all
    select
        cast(null as timestamp) as first_order_at,
        sum({{ columns_hash(['products_on_sale.product_id']) }}) as said
    from {{ ref('int_predictions__products_on_sale') }} as products_on_sale
    where products_on_sale.product_id in (select lines.product_id from lines)
),

history as (
    select
        clock.moment,
        cast(sum(told.said) as string) as fingerprint,
        cast(
            coalesce(
                least(
                    {{ var('next_products_days') }},
                    floor({{ days_between('min(told.first_order_at)', 'clock.moment') }} / 4)
                ),
                0
            ) as integer
        ) as horizon_days
    from clock
    cross join told
    group by clock.moment
),

cuts as (
    select 0 as cut_number
    union all
    select 1 as cut_number
    union all
    select 2 as cut_number
),

-- what has been learned already
held as (
    {% if 'fingerprint' in held -%}
    select
        moment,
        fingerprint
    from {{ this }}
    where cut_number = 0 and rules = '{{ rules }}'
    {%- else -%}
    select
        moment,
        fingerprint
    from history
    where 1 = 0
    {%- endif %}
),

basket_moments as (
    select
        cuts.cut_number,
        {{ add_days('history.moment', '-cuts.cut_number * history.horizon_days') }} as moment,
        history.horizon_days,
        history.fingerprint,
        '{{ rules }}' as rules,
        {{ current_utc() }} as changed_at
    from history
    cross join cuts
    left join held
        on history.moment = held.moment and history.fingerprint is not distinct from held.fingerprint
    where
        (cuts.cut_number = 0 or history.horizon_days > 0)
        and held.moment is null
)

select * from basket_moments
