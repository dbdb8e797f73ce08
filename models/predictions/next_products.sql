{%- set changes = ref('int_predictions__purchase_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_predictions__purchase_changes')) }}",
) }}
{#- the names in macro `next_product_features`, and of their weights in the parameters of the fit -#}
{% set features = [
    'x_own', 'x_own_orders', 'x_own_share', 'x_own_age', 'x_related', 'x_own_related', 'x_popular', 'x_own_popular'
] -%}

with

fits as (
    select * from {{ ref('int_predictions__next_products_fit') }}
    where metric is null and is_published
),

parsed as (
    select
        as_of_date,
        model_version,
        {{ json_object('parameters', ['intercept'] + features) }} as weights
    from fits
),

products_on_sale as (
    select * from {{ ref('int_predictions__products_on_sale') }}
),

product_pairs as (
    select pairs.*
    from {{ ref('int_predictions__product_pairs') }} as pairs
    inner join products_on_sale on pairs.other_product_id = products_on_sale.product_id
    where pairs.cut_number = 0
),

-- who is not on sale any more makes room for the next
popular_products as (
    select
        popular.cut_number,
        popular.product_id,
        popular.buyer_count,
        row_number() over (order by popular.place) as place
    from {{ ref('int_predictions__popular_products') }} as popular
    inner join products_on_sale on popular.product_id = products_on_sale.product_id
    where popular.cut_number = 0
),

known_lines as (
    select
        0 as cut_number,
        lines.*
    from (
        {{ lines_known_now() }}
    ) as lines
    cross join fits
    {%- if is_incremental() %}
    where lines.customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

{{ bought_by_people() }}

histories as (
    select * from purchases
),

{{ candidates_of_histories() }},

scored as (
    select
        candidates.customer_id,
        candidates.product_id,
        -- what one has bought before is its own reason
        case
            when candidates.own_place is not null then candidates.product_id else candidates.reason_product_id
        end as reason_product_id,
        round(
            1 / (1 + exp(-(
                cast(parsed.weights.intercept as double)
                {%- for name in features %}
                + cast(parsed.weights.{{ name }} as double) * candidates.{{ name }}
                {%- endfor %}
            ))),
            6
        ) as score,
        parsed.as_of_date,
        parsed.model_version
    from candidates
    cross join parsed
),

ranked as (
    select
        *,
        row_number() over (partition by customer_id order by score desc, product_id asc) as product_rank
    from scored
),

next_products as (
    select
        customer_id,
        cast(product_rank as integer) as product_rank,
        product_id,
        score,
        reason_product_id,
        as_of_date,
        model_version,
        {{ changes_up_to(changes) }} as changed_at
    from ranked
    where product_rank <= 10
)

select * from next_products
