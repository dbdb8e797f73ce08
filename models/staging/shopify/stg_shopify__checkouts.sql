{{ config(
    materialized='incremental',
    unique_key='checkout_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_untold('shopify', 'checkouts', 'id', 'updated_at') }}",
) }}

with

appearances as (
    {{ latest_appearances(
        'shopify', 'checkouts',
        key='id', changed_at='updated_at', relation=records_taken_in('shopify', 'checkouts', 'id')
    ) }}
),

parsed as (
    select
        *,
        {{ json_object('customer', ['id', 'email']) }} as buyer
    from appearances
),

checkouts as (
    select
        -- ids
        id as checkout_id,
        {{ text_or_null('buyer.id') }} as shopify_customer_id,
        coalesce('customers:' || {{ text_or_null('buyer.id') }}, 'checkouts:' || id) as record_id,
        {{ text_or_null('token') }} as checkout_token,
        {{ text_or_null('cart_token') }} as cart_id,
        _file_id as file_id,
        -- strings
        {{ text_or_null('email') }} as email,
        {{ text_or_null('phone') }} as phone,
        {{ text_or_null('abandoned_checkout_url') }} as abandoned_checkout_url,
        {{ text_or_null('upper(currency)') }} as currency,
        -- numerics
        try_cast(total_price as decimal(18, 2)) as total_price,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('completed_at') }} as completed_at,
        coalesce({{ utc_timestamp('updated_at') }}, {{ utc_timestamp('created_at') }}) as updated_at,
        cast(_extracted_at as timestamp) as extracted_at
    from parsed
)

select * from checkouts
