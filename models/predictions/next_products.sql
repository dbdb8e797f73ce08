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
    from {{ ref('int_predictions__next_product_candidates') }} as candidates
    cross join parsed
    where candidates.cut_number = 0
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
        model_version
    from ranked
    where product_rank <= 10
)

select * from next_products
