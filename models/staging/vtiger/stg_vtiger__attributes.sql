with

contact_versions as (
    select
        contact_versions.*,
        accounts.account_name as company_name,
        accounts.company_domain
    from {{ ref('stg_vtiger__contact_versions') }} as contact_versions
    left join {{ ref('stg_vtiger__accounts') }} as accounts on contact_versions.account_id = accounts.account_id
),

lead_versions as (
    select * from {{ ref('stg_vtiger__lead_versions') }}
),

attributes as (
    {{ attribute_rows('vtiger', {
        'contact_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['birth_date', 'cast(birth_date as string)'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['company_name', 'company_name'],
            ['company_domain', 'company_domain'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
        'lead_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['city', 'city'],
            ['country_code', 'country_code'],
            ['company_name', 'company_name'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
    }) }}
)

select * from attributes
