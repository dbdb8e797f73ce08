with

products as (
    select * from {{ ref('stg_shopify__products') }}
),

variants as (
    select
        product_id,
        {{ explode_list(json_objects('variants', ['id', 'sku', 'title', 'price'])) }} as variant
    from products
),

product_variants as (
    select
        -- ids
        variant.id as variant_id,
        product_id,
        -- strings
        {{ text_or_null('variant.sku') }} as sku,
        {{ text_or_null('variant.title') }} as variant_title,
        -- numerics
        try_cast(variant.price as decimal(18, 2)) as price
    from variants
)

select * from product_variants
