with

profile_versions as (
    select * from {{ ref('stg_klaviyo__profile_versions') }}
),

identifiers as (
    {{ identifier_rows('klaviyo', 'profile_versions', [
        ['klaviyo_profile_id', 'profile_id'],
        ['email', 'email'],
        ['phone', 'phone'],
        ['shopify_customer_id', 'shopify_customer_id'],
        ['loyalty_number', 'loyalty_number'],
    ]) }}
)

select * from identifiers
