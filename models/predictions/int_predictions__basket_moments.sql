{#- What is learned stays until it is time to learn again, also through a rebuild (docs/recommendations.md). -#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    post_hook="{{ delete_older_learning(this) }}",
) }}
{%- set is_held = is_incremental() and execute -%}
{%- set held = adapter.get_columns_in_relation(this) | map(attribute='name') | list if is_held else [] -%}
{#- Another rule is another thing to learn. -#}
{%- set rules = code_of(
    [
        'int_predictions__basket_moments', 'int_predictions__basket_lines', 'int_predictions__purchases',
        'int_predictions__product_pairs', 'int_predictions__popular_products', 'int_predictions__next_baskets',
        'int_predictions__next_product_candidates',
    ],
    [
        'next_products_days', 'next_products_shared_buyers', 'next_products_neighbours', 'next_products_per_person',
        'next_products_judged', 'predictions_learners',
    ],
    [bought_by_people(), candidates_of_histories()],
) -%}

-- the moment that is learned from, and two cuts before it: weights are learned at the earlier and judged at the later
with

clock as (
    select as_of from {{ ref('int_customers__as_of') }}
),

history as (
    select
        clock.as_of,
        count(*) as order_count,
        cast(
            least(
                {{ var('next_products_days') }},
                floor({{ days_between('min(customer_orders.ordered_at)', 'clock.as_of') }} / 4)
            ) as integer
        ) as horizon_days
    from {{ ref('customer_orders') }} as customer_orders
    cross join clock
    where customer_orders.ordered_at <= clock.as_of
    group by clock.as_of
),

cuts as (
    select 0 as cut_number
    union all
    select 1 as cut_number
    union all
    select 2 as cut_number
),

-- unless in another month, a tenth more or fewer orders, from an earlier moment or by other rules
not_due as (
    {% if 'rules' in held -%}
    select 1 as is_there
    from {{ this }} as held
    cross join history
    where
        held.cut_number = 0
        and held.rules = '{{ rules }}'
        and held.moment <= history.as_of
        and date_trunc('month', held.moment) = date_trunc('month', history.as_of)
        and abs(history.order_count - held.order_count) < 0.1 * held.order_count
    {%- else -%}
    select 1 as is_there
    from history
    where 1 = 0
    {%- endif %}
),

basket_moments as (
    select
        cuts.cut_number,
        {{ add_days('history.as_of', '-cuts.cut_number * history.horizon_days') }} as moment,
        history.horizon_days,
        history.order_count,
        '{{ rules }}' as rules,
        {{ current_utc() }} as changed_at
    from history
    cross join cuts
    where
        (cuts.cut_number = 0 or history.horizon_days > 0)
        and not exists (select 1 from not_due)
)

select * from basket_moments
