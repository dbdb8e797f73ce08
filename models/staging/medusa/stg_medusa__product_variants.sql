with

products as (
    select * from {{ ref('stg_medusa__products') }}
),

variants as (
    select
        product_id,
        {{ explode_list(json_objects('variants', ['id', 'sku', 'prices'])) }} as variant
    from products
),

prices as (
    select
        product_id,
        variant.id as variant_id,
        {{ explode_list(json_objects('variant.prices', [
            'id', 'amount', 'currency_code', 'min_quantity', 'rules',
        ])) }} as price
    from variants
),

-- what one piece costs whoever buys it; a price for a quantity or under a rule is another
base_prices as (
    select
        product_id,
        variant_id,
        max(try_cast(price.amount as decimal(18, 2))) as price
    from prices
    where
        upper(price.currency_code) = '{{ var('medusa_currency') }}'
        and coalesce(try_cast(price.min_quantity as integer), 1) <= 1
        and coalesce(price.rules, '{}') = '{}'
    group by product_id, variant_id
),

-- a product whose variants cannot be read is a product all the same
product_variants as (
    select
        'medusa' as source,
        products.product_id,
        coalesce({{ text_or_null('variants.variant.id') }}, products.product_id) as variant_id,
        {{ text_or_null('variants.variant.sku') }} as sku,
        products.product_title as product_name,
        products.category,
        base_prices.price,
        '{{ var('medusa_currency') }}' as currency,
        products.updated_at
    from products
    left join variants on products.product_id = variants.product_id
    left join base_prices
        on variants.product_id = base_prices.product_id and variants.variant.id = base_prices.variant_id
)

select * from product_variants
