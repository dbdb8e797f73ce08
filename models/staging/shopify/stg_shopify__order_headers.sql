{{ config(
    materialized='incremental',
    unique_key='order_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_untold('shopify', 'orders', 'id', 'updated_at') }}",
) }}

with

appearances as (
    {{ latest_appearances(
        'shopify', 'orders',
        key='id', changed_at='updated_at', relation=records_taken_in('shopify', 'orders', 'id')
    ) }}
),

parsed as (
    select
        *,
        {{ json_object('customer', ['id', 'email']) }} as buyer,
        {{ json_object('billing_address', [
            'first_name', 'last_name', 'address1', 'city', 'zip', 'country_code', 'phone',
        ]) }} as billing
    from appearances
),

order_headers as (
    select
        -- ids
        id as order_id,
        {{ text_or_null('buyer.id') }} as shopify_customer_id,
        coalesce('customers:' || {{ text_or_null('buyer.id') }}, 'orders:' || id) as record_id,
        {{ text_or_null('cart_token') }} as cart_id,
        {{ text_or_null('checkout_token') }} as checkout_id,
        _file_id as file_id,
        -- strings
        {{ text_or_null('name') }} as order_number,
        {{ text_or_null('email') }} as email,
        {{ text_or_null('phone') }} as phone,
        {{ text_or_null('billing.first_name') }} as first_name,
        {{ text_or_null('billing.last_name') }} as last_name,
        {{ text_or_null('billing.address1') }} as street,
        {{ text_or_null('billing.city') }} as city,
        {{ text_or_null('billing.zip') }} as postal_code,
        {{ text_or_null('upper(billing.country_code)') }} as country_code,
        {{ text_or_null('billing.phone') }} as billing_phone,
        {{ text_or_null('financial_status') }} as financial_status,
        {{ text_or_null('fulfillment_status') }} as fulfillment_status,
        {{ text_or_null('cancel_reason') }} as cancel_reason,
        {{ text_or_null('source_name') }} as source_name,
        case {{ text_or_null('source_name') }}
            when 'pos' then 'store'
            when 'shopify_draft_order' then 'phone'
            else 'web'
        end as channel,
        {{ text_or_null('landing_site') }} as landing_site,
        {{ text_or_null('referring_site') }} as referring_site,
        {{ text_or_null(json_text('discount_codes', '[0].code')) }} as discount_code,
        {{ text_or_null('upper(currency)') }} as currency,
        line_items,
        refunds,
        -- numerics
        try_cast(total_price as decimal(18, 2)) as total_price,
        try_cast(subtotal_price as decimal(18, 2)) as subtotal_price,
        try_cast(total_tax as decimal(18, 2)) as total_tax,
        try_cast(total_discounts as decimal(18, 2)) as total_discounts,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        coalesce({{ utc_timestamp('processed_at') }}, {{ utc_timestamp('created_at') }}) as processed_at,
        {{ utc_timestamp('cancelled_at') }} as cancelled_at,
        coalesce({{ utc_timestamp('updated_at') }}, {{ utc_timestamp('created_at') }}) as updated_at,
        cast(_extracted_at as timestamp) as extracted_at
    from parsed
)

select * from order_headers
