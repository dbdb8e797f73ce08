{{ config(materialized='view') }}

with

product_pairs as (
    select * from {{ ref('int_predictions__product_pairs') }}
),

popular_products as (
    select * from {{ ref('int_predictions__popular_products') }}
),

-- in the past, of those whose next order is known
judged as (
    select distinct
        cut_number,
        customer_id
    from {{ ref('int_predictions__next_baskets') }}
),

histories as (
    select purchases.*
    from {{ ref('int_predictions__purchases') }} as purchases
    inner join judged on purchases.cut_number = judged.cut_number and purchases.customer_id = judged.customer_id
),

{{ candidates_of_histories() }}

select * from candidates
