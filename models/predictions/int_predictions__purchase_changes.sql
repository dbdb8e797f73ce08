{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

products_on_sale as (
    select * from {{ ref('int_predictions__products_on_sale') }}
),

-- what was learned, of what is still on sale: it is in everybody's recommendations
learned_parts as (
    select {{ columns_hash(['pairs.product_id', 'pairs.other_product_id', 'pairs.similarity']) }} as said
    from {{ ref('int_predictions__product_pairs') }} as pairs
    inner join products_on_sale on pairs.other_product_id = products_on_sale.product_id
    where pairs.cut_number = 0
    union all
    select {{ columns_hash(['popular.product_id', 'popular.buyer_count', 'popular.place']) }} as said
    from {{ ref('int_predictions__popular_products') }} as popular
    inner join products_on_sale on popular.product_id = products_on_sale.product_id
    where popular.cut_number = 0
    union all
    select {{ columns_hash(['model_version', 'as_of_date', 'is_published']) }} as said
    from {{ ref('int_predictions__next_products_fit') }}
    where metric is null
),

learned as (
    select sum(said) as said
    from learned_parts
),

people as (
    select
        customer_id,
        sum({{ columns_hash(['order_id', 'product_id', 'is_on_sale', 'ordered_at']) }}) as said
    from (
        {{ lines_known_now() }}
    ) as known_lines
    group by customer_id
),

fingerprints as (
    select
        people.customer_id,
        cast({{ columns_hash(['people.said', 'learned.said']) }} as string) as fingerprint
    from people
    cross join learned
),

purchase_changes as (
    {{ changed_fingerprints('fingerprints') }}
)

select * from purchase_changes
