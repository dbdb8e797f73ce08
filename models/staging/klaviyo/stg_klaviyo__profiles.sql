with

profile_versions as (
    select * from {{ ref('stg_klaviyo__profile_versions') }}
),

profiles as (
    select
        -- ids
        profile_id,
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
        email_consent_state,
        sms_consent_state,
        -- timestamps
        email_consent_at,
        sms_consent_at,
        created_at,
        changed_at as updated_at
    from profile_versions
    where is_latest
)

select * from profiles
