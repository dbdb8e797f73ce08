{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('shopify', 'customers', key='id', changed_at='updated_at', created_at='created_at') }}
),

parsed as (
    select
        *,
        {{ json_object('default_address', ['address1', 'city', 'zip', 'country_code', 'phone']) }} as address,
        {{ json_object('email_marketing_consent', ['state', 'opt_in_level', 'consent_updated_at']) }} as email_consent,
        {{ json_object('sms_marketing_consent', ['state', 'opt_in_level', 'consent_updated_at']) }} as sms_consent
    from appearances
),

customer_versions as (
    select
        -- ids
        id as shopify_customer_id,
        'customers:' || id as record_id,
        {{ text_or_null("regexp_extract(tags, 'loyalty:([0-9A-Za-z-]+)', 1)") }} as loyalty_number,
        -- strings
        {{ text_or_null('email') }} as email,
        {{ text_or_null('phone') }} as phone,
        {{ text_or_null('address.phone') }} as address_phone,
        {{ text_or_null('first_name') }} as first_name,
        {{ text_or_null('last_name') }} as last_name,
        {{ text_or_null('address.address1') }} as street,
        {{ text_or_null('address.city') }} as city,
        {{ text_or_null('address.zip') }} as postal_code,
        {{ text_or_null('upper(address.country_code)') }} as country_code,
        {{ text_or_null('state') }} as account_state,
        {{ text_or_null('upper(currency)') }} as currency,
        email_consent.state as email_consent_state,
        sms_consent.state as sms_consent_state,
        -- booleans
        coalesce(try_cast(verified_email as boolean), false) as is_email_verified,
        is_latest,
        -- timestamps
        {{ utc_timestamp('email_consent.consent_updated_at') }} as email_consent_at,
        {{ utc_timestamp('sms_consent.consent_updated_at') }} as sms_consent_at,
        {{ utc_timestamp('created_at') }} as created_at,
        changed_at,
        seen_from
    from parsed
)

select * from customer_versions
