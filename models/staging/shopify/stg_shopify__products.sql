with

appearances as (
    {{ latest_appearances('shopify', 'products', key='id', changed_at='updated_at') }}
),

products as (
    select
        -- ids
        id as product_id,
        -- strings
        {{ text_or_null('title') }} as product_title,
        {{ text_or_null('vendor') }} as vendor,
        {{ text_or_null('product_type') }} as product_type,
        {{ text_or_null('handle') }} as handle,
        {{ text_or_null('tags') }} as tags,
        variants,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('updated_at') }} as updated_at
    from appearances
)

select * from products
