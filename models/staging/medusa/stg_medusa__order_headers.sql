{{ config(materialized='table') }}

with

appearances as (
    {{ latest_appearances('medusa', 'orders', key='id', changed_at='updated_at') }}
),

parsed as (
    select
        *,
        {{ json_object('billing_address', [
            'first_name', 'last_name', 'company', 'address_1', 'city', 'postal_code', 'country_code', 'phone',
        ]) }} as billing
    from appearances
),

order_headers as (
    select
        -- ids
        id as order_id,
        {{ text_or_null('customer_id') }} as medusa_customer_id,
        coalesce('customers:' || {{ text_or_null('customer_id') }}, 'orders:' || id) as record_id,
        {{ text_or_null('region_id') }} as region_id,
        {{ text_or_null('sales_channel_id') }} as sales_channel_id,
        -- strings
        {{ text_or_null('display_id') }} as order_number,
        {{ text_or_null('email') }} as email,
        {{ text_or_null('billing.phone') }} as phone,
        {{ text_or_null('billing.first_name') }} as first_name,
        {{ text_or_null('billing.last_name') }} as last_name,
        {{ text_or_null('billing.company') }} as company_name,
        {{ text_or_null('billing.address_1') }} as street,
        {{ text_or_null('billing.city') }} as city,
        {{ text_or_null('billing.postal_code') }} as postal_code,
        {{ text_or_null('upper(billing.country_code)') }} as country_code,
        {{ text_or_null('status') }} as order_status,
        {{ text_or_null('payment_status') }} as payment_status,
        {{ text_or_null('upper(currency_code)') }} as currency,
        items,
        payment_collections,
        -- numerics: `total` becomes smaller with each refund, `item_total` with what comes back; together these do not
        cast(
            try_cast(item_total as decimal(18, 4))
            + coalesce(try_cast(return_received_total as decimal(18, 4)), 0)
            + coalesce(try_cast(return_dismissed_total as decimal(18, 4)), 0)
            + coalesce(try_cast(shipping_total as decimal(18, 4)), 0)
            as decimal(18, 2)
        ) as charged_total,
        try_cast(discount_total as decimal(18, 2)) as discount_total,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        {{ utc_timestamp('canceled_at') }} as canceled_at,
        coalesce({{ utc_timestamp('updated_at') }}, {{ utc_timestamp('created_at') }}) as updated_at,
        cast(_extracted_at as timestamp) as extracted_at
    from parsed
)

select * from order_headers
