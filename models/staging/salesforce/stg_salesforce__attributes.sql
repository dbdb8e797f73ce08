with

-- what was told of somebody who has been deleted since is no longer so
contact_versions as (
    select
        contact_versions.*,
        accounts.account_name as company_name,
        accounts.company_domain
    from {{ ref('stg_salesforce__contact_versions') }} as contact_versions
    left join {{ ref('stg_salesforce__account_records') }} as accounts
        on contact_versions.account_id = accounts.account_id and accounts.record_class = 'staged'
    where contact_versions.record_class <> 'archived'
),

lead_versions as (
    select * from {{ ref('stg_salesforce__lead_versions') }}
    where record_class <> 'archived'
),

attributes as (
    {{ attribute_rows('salesforce', {
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
            ['job_title', 'job_title'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
            ['phone', 'home_phone'],
        ],
        'lead_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['company_name', 'company_name'],
            ['job_title', 'job_title'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
    }) }}
)

select * from attributes
