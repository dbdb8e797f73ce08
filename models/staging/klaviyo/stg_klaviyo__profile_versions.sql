{{ config(materialized='table') }}

{%- set subscription = {'marketing': ['consent', 'timestamp']} %}

with

raw_profiles as (
    select
        *,
        {{ json_text('attributes', '.created') }} as created_time,
        {{ json_text('attributes', '.updated') }} as updated_time
    from {{ raw('klaviyo', 'profiles') }} as profiles
),

appearances as (
    {{ all_appearances(
        'klaviyo', 'profiles', key='id', changed_at='updated_time', created_at='created_time', relation='raw_profiles'
    ) }}
),

parsed as (
    select
        *,
        {{ json_object('attributes', {
            'email': none, 'phone_number': none, 'external_id': none, 'first_name': none, 'last_name': none,
            'location': ['address1', 'city', 'country', 'zip'],
            'properties': ['loyalty_number'],
            'subscriptions': {'email': subscription, 'sms': subscription},
        }) }} as profile
    from appearances
),

countries as (
    select * from {{ ref('countries') }}
),

profile_versions as (
    select
        -- ids
        parsed.id as profile_id,
        'profiles:' || parsed.id as record_id,
        {{ text_or_null('parsed.profile.external_id') }} as shopify_customer_id,
        {{ text_or_null('parsed.profile.properties.loyalty_number') }} as loyalty_number,
        -- strings
        {{ text_or_null('parsed.profile.email') }} as email,
        {{ text_or_null('parsed.profile.phone_number') }} as phone,
        {{ text_or_null('parsed.profile.first_name') }} as first_name,
        {{ text_or_null('parsed.profile.last_name') }} as last_name,
        {{ text_or_null('parsed.profile.location.address1') }} as street,
        {{ text_or_null('parsed.profile.location.city') }} as city,
        {{ text_or_null('parsed.profile.location.zip') }} as postal_code,
        countries.country_code,
        upper(parsed.profile.subscriptions.email.marketing.consent) as email_consent_state,
        upper(parsed.profile.subscriptions.sms.marketing.consent) as sms_consent_state,
        -- booleans
        parsed.is_latest,
        -- timestamps
        {{ utc_timestamp('parsed.profile.subscriptions.email.marketing.timestamp') }} as email_consent_at,
        {{ utc_timestamp('parsed.profile.subscriptions.sms.marketing.timestamp') }} as sms_consent_at,
        {{ utc_timestamp('parsed.created_time') }} as created_at,
        parsed.changed_at,
        parsed.seen_from
    from parsed
    left join countries on lower(trim(parsed.profile.location.country)) = countries.name
)

select * from profile_versions
