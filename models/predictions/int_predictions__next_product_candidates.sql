{{ config(materialized='view') }}

with

related_products as (
    select * from {{ ref('int_predictions__related_products') }}
),

next_baskets as (
    select * from {{ ref('int_predictions__next_baskets') }}
),

popular_products as (
    select * from {{ ref('int_predictions__popular_products') }}
),

-- everybody now; in the past those whose next order is known
people as (
    select
        cut_number,
        customer_id
    from {{ ref('int_predictions__purchases') }}
    where cut_number = 0 and place = 1
    union all
    select distinct
        cut_number,
        customer_id
    from next_baskets
),

histories as (
    select purchases.*
    from {{ ref('int_predictions__purchases') }} as purchases
    inner join people on purchases.cut_number = people.cut_number and purchases.customer_id = people.customer_id
    where purchases.is_on_sale
),

proposals as (
    select
        cut_number,
        customer_id,
        product_id
    from related_products
    union
    select
        cut_number,
        customer_id,
        product_id
    from histories
    union
    select
        people.cut_number,
        people.customer_id,
        popular_products.product_id
    from people
    inner join popular_products on people.cut_number = popular_products.cut_number
    where popular_products.place <= 10
),

candidates as (
    select
        proposals.cut_number,
        proposals.customer_id,
        proposals.product_id,
        histories.place as own_place,
        popular_products.place as popular_place,
        related_products.reason_product_id,
        {{ next_product_features() }}
    from proposals
    left join histories
        on
            proposals.cut_number = histories.cut_number
            and proposals.customer_id = histories.customer_id
            and proposals.product_id = histories.product_id
    left join related_products
        on
            proposals.cut_number = related_products.cut_number
            and proposals.customer_id = related_products.customer_id
            and proposals.product_id = related_products.product_id
    left join popular_products
        on proposals.cut_number = popular_products.cut_number and proposals.product_id = popular_products.product_id
)

select * from candidates
