with

purchases as (
    select * from {{ ref('int_predictions__purchases') }}
),

-- everybody now; in the past those whose next order is known
people as (
    select distinct
        cut_number,
        customer_id
    from purchases
    where cut_number = 0
    union all
    select distinct
        cut_number,
        customer_id
    from {{ ref('int_predictions__next_baskets') }}
),

histories as (
    select purchases.*
    from purchases
    inner join people on purchases.cut_number = people.cut_number and purchases.customer_id = people.customer_id
),

-- what was bought often and lately says most: half of it after 90 days
hints as (
    select
        histories.cut_number,
        histories.customer_id,
        histories.product_id as reason_product_id,
        pairs.other_product_id as product_id,
        ln(1 + histories.order_count) * power(0.5, histories.age_days / 90.0) * pairs.similarity as hint
    from histories
    inner join {{ ref('int_predictions__product_pairs') }} as pairs
        on histories.cut_number = pairs.cut_number and histories.product_id = pairs.product_id
),

-- the strongest hint and its product as one text, the greatest of which is the same in every run
related as (
    select
        cut_number,
        customer_id,
        product_id,
        round(sum(hint), 6) as relatedness,
        substr(
            max(lpad(cast(cast(round(hint * 1000000000) as bigint) as string), 12, '0') || reason_product_id), 13
        ) as reason_product_id
    from hints
    group by cut_number, customer_id, product_id
),

ranked as (
    select
        related.*,
        row_number() over (
            partition by related.cut_number, related.customer_id, histories.product_id is null
            order by related.relatedness desc, related.product_id asc
        ) as place,
        histories.product_id is not null as is_own
    from related
    left join histories
        on
            related.cut_number = histories.cut_number
            and related.customer_id = histories.customer_id
            and related.product_id = histories.product_id
),

related_products as (
    select
        cut_number,
        customer_id,
        product_id,
        relatedness,
        reason_product_id
    from ranked
    where is_own or place <= 20
)

select * from related_products
