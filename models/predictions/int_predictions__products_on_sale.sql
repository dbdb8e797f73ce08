{{ config(materialized='view') }}

with

products as (
    select
        product_id,
        is_in_catalogue,
        max(case when is_in_catalogue then 1 else 0 end) over () as has_catalogue
    from {{ ref('products') }}
),

-- without a catalogue everything that was ever sold is one
products_on_sale as (
    select product_id
    from products
    where is_in_catalogue or has_catalogue = 0
)

select * from products_on_sale
