with

customer_versions as (
    select * from {{ ref('stg_shopify__customer_versions') }}
),

customers as (
    select
        -- ids
        shopify_customer_id,
        loyalty_number,
        -- strings
        email,
        phone,
        first_name,
        last_name,
        street,
        city,
        postal_code,
        country_code,
        account_state,
        currency,
        email_consent_state,
        sms_consent_state,
        -- booleans
        is_email_verified,
        -- timestamps
        email_consent_at,
        sms_consent_at,
        created_at,
        changed_at as updated_at
    from customer_versions
    where is_latest
)

select * from customers
