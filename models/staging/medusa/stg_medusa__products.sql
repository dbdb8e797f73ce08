with

appearances as (
    {{ latest_appearances('medusa', 'products', key='id', changed_at='updated_at') }}
),

parsed as (
    select
        *,
        {{ json_object('type', ['value']) }} as product_type,
        {{ json_object('collection', ['title']) }} as product_collection
    from appearances
),

products as (
    select
        -- ids
        id as product_id,
        -- strings
        {{ text_or_null('title') }} as product_title,
        {{ text_or_null('handle') }} as handle,
        {{ text_or_null('status') }} as status,
        coalesce(
            {{ text_or_null('product_type.value') }},
            {{ text_or_null(json_text('categories', '[0].name')) }},
            {{ text_or_null('product_collection.title') }}
        ) as category,
        variants,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('updated_at') }} as updated_at
    from parsed
)

select * from products
