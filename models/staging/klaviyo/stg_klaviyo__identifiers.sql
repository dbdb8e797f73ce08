with

profile_versions as (
    select * from {{ ref('stg_klaviyo__profile_versions') }}
),

-- an event can arrive before its profile, or without it
active_profiles as (
    select
        profile_id,
        'profiles:' || profile_id as record_id,
        cast(null as string) as country_code,
        min(occurred_at) as seen_from,
        max(occurred_at) as changed_at
    from {{ ref('stg_klaviyo__profile_events') }}
    where profile_id is not null and occurred_at is not null
    group by profile_id
),

identifiers as (
    {{ identifier_rows('klaviyo', {
        'profile_versions': [
            ['klaviyo_profile_id', 'profile_id'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['shopify_customer_id', 'shopify_customer_id'],
            ['loyalty_number', 'loyalty_number'],
        ],
        'active_profiles': [
            ['klaviyo_profile_id', 'profile_id'],
        ],
    }) }}
)

select * from identifiers
