with

-- what a contact was told of that has been deleted since is no longer so
contact_versions as (
    select
        contact_versions.*,
        coalesce(companies.name, contact_versions.company_name) as employer,
        companies.company_domain
    from {{ ref('stg_hubspot__contact_versions') }} as contact_versions
    left join {{ ref('stg_hubspot__companies') }} as companies on contact_versions.company_id = companies.company_id
    where contact_versions.record_class <> 'archived'
),

attributes as (
    {{ attribute_rows('hubspot', {
        'contact_versions': [
            ['first_name', 'first_name'],
            ['last_name', 'last_name'],
            ['birth_date', 'cast(birth_date as string)'],
            ['street', 'street'],
            ['city', 'city'],
            ['postal_code', 'postal_code'],
            ['country_code', 'country_code'],
            ['language', 'language'],
            ['company_name', 'employer'],
            ['company_domain', 'company_domain'],
            ['job_title', 'job_title'],
            ['email', 'email'],
            ['phone', 'phone'],
            ['phone', 'mobile'],
        ],
    }) }}
)

select * from attributes
