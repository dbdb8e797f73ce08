with

profile_versions as (
    select * from {{ ref('stg_klaviyo__profile_versions') }}
),

-- whoever subscribed from an address or a number reads what comes there
attributes as (
    {{ attribute_rows('klaviyo', {
        'profile_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['email', 'email', "email_consent_state = 'SUBSCRIBED'"],
            ['phone', 'phone', "sms_consent_state = 'SUBSCRIBED'"],
        ],
    }) }}
)

select * from attributes
