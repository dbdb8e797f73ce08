with

products as (
    select * from {{ ref('stg_shopify__products') }}
),

variants as (
    select
        product_id,
        {{ explode_list(json_objects('variants', ['id', 'sku', 'price'])) }} as variant
    from products
),

-- a product whose variants cannot be read is a product all the same
product_variants as (
    select
        'shopify' as source,
        products.product_id,
        coalesce({{ text_or_null('variants.variant.id') }}, products.product_id) as variant_id,
        {{ text_or_null('variants.variant.sku') }} as sku,
        products.product_title as product_name,
        products.product_type as category,
        try_cast(variants.variant.price as decimal(18, 2)) as price,
        '{{ var('shopify_currency') }}' as currency,
        products.updated_at
    from products
    left join variants on products.product_id = variants.product_id
)

select * from product_variants
