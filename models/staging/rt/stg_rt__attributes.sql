with

end_users as (
    select * from {{ ref('stg_rt__user_versions') }}
    where is_end_user
),

attributes as (
    {{ attribute_rows('rt', {
        'end_users': [
            ['full_name', 'full_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['language', 'language'],
            ['company_name', 'company_name'],
            ['email', 'email'],
            ['phone', 'mobile'],
            ['phone', 'home_phone'],
            ['phone', 'work_phone'],
        ],
    }) }}
)

select * from attributes
