{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_older_learning(ref('int_predictions__basket_moments')) }}",
) }}

with

basket_moments as (
    {{ moments_to_learn(ref('int_predictions__basket_moments')) }}
),

purchases as (
    select * from {{ ref('int_predictions__purchases') }}
    where exists (select 1 from basket_moments)
),

-- numbers in the order of the ids: counting pairs of texts takes four times as long, and six times the memory
products as (
    select
        product_id,
        cast(row_number() over (order by product_id) as integer) as product_number
    from (select distinct product_id from purchases) as bought
),

numbered as (
    select
        purchases.cut_number,
        purchases.customer_id,
        purchases.is_on_sale,
        products.product_number
    from purchases
    inner join products on purchases.product_id = products.product_id
),

buyers as (
    select
        cut_number,
        product_number,
        max(case when is_on_sale then 1 else 0 end) as is_on_sale,
        count(*) as buyer_count
    from numbered
    group by cut_number, product_number
),

pairs as (
    select
        one.cut_number,
        one.product_number,
        other.product_number as other_product_number,
        count(*) as shared_buyers
    from numbered as one
    inner join numbered as other
        on
            one.cut_number = other.cut_number
            and one.customer_id = other.customer_id
            and one.product_number < other.product_number
    group by one.cut_number, one.product_number, other.product_number
    having count(*) >= {{ var('next_products_shared_buyers') }}
),

both_ways as (
    select
        cut_number,
        product_number,
        other_product_number,
        shared_buyers
    from pairs
    union all
    select
        cut_number,
        other_product_number as product_number,
        product_number as other_product_number,
        shared_buyers
    from pairs
),

-- few shared buyers may be chance: 10 of them count for half
compared as (
    select
        both_ways.cut_number,
        products.product_id,
        others.product_id as other_product_id,
        both_ways.shared_buyers,
        round(both_ways.shared_buyers / sqrt(one.buyer_count * other.buyer_count), 9) as cosine,
        round(
            both_ways.shared_buyers / sqrt(one.buyer_count * other.buyer_count)
            * both_ways.shared_buyers / (both_ways.shared_buyers + 10),
            9
        ) as similarity
    from both_ways
    inner join buyers as one
        on both_ways.cut_number = one.cut_number and both_ways.product_number = one.product_number
    inner join buyers as other
        on
            both_ways.cut_number = other.cut_number
            and both_ways.other_product_number = other.product_number
            and other.is_on_sale = 1
    inner join products on both_ways.product_number = products.product_number
    inner join products as others on both_ways.other_product_number = others.product_number
),

ranked as (
    select
        *,
        row_number() over (
            partition by cut_number, product_id
            order by similarity desc, other_product_id asc
        ) as place
    from compared
),

product_pairs as (
    select
        ranked.*,
        basket_moments.changed_at
    from ranked
    inner join basket_moments on ranked.cut_number = basket_moments.cut_number
    where ranked.place <= {{ var('next_products_neighbours') }}
)

select * from product_pairs
