with

people as (
    select
        *,
        dense_rank() over (partition by cut_number order by customer_id) as person_place
    from {{ ref('int_predictions__purchases') }}
),

-- ids are hashes: the lowest are a fair sample
learned_from as (
    select * from people
    where person_place <= {{ var('predictions_learners') }}
),

buyers as (
    select
        cut_number,
        product_id,
        count(*) as buyer_count
    from learned_from
    group by cut_number, product_id
),

pairs as (
    select
        one.cut_number,
        one.product_id,
        other.product_id as other_product_id,
        one.is_on_sale,
        other.is_on_sale as is_other_on_sale,
        count(*) as shared_buyers
    from learned_from as one
    inner join learned_from as other
        on
            one.cut_number = other.cut_number
            and one.customer_id = other.customer_id
            and one.product_id < other.product_id
    group by one.cut_number, one.product_id, other.product_id, one.is_on_sale, other.is_on_sale
    having count(*) >= {{ var('next_products_shared_buyers') }}
),

both_ways as (
    select
        cut_number,
        product_id,
        other_product_id,
        shared_buyers
    from pairs
    where is_other_on_sale
    union all
    select
        cut_number,
        other_product_id as product_id,
        product_id as other_product_id,
        shared_buyers
    from pairs
    where is_on_sale
),

-- few shared buyers may be chance: 10 of them count for half
compared as (
    select
        both_ways.*,
        round(both_ways.shared_buyers / sqrt(one.buyer_count * other.buyer_count), 9) as cosine,
        round(
            both_ways.shared_buyers / sqrt(one.buyer_count * other.buyer_count)
            * both_ways.shared_buyers / (both_ways.shared_buyers + 10),
            9
        ) as similarity
    from both_ways
    inner join buyers as one
        on both_ways.cut_number = one.cut_number and both_ways.product_id = one.product_id
    inner join buyers as other
        on both_ways.cut_number = other.cut_number and both_ways.other_product_id = other.product_id
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
    select *
    from ranked
    where place <= {{ var('next_products_neighbours') }}
)

select * from product_pairs
