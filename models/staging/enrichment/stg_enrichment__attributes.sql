with

people_versions as (
    select
        people_versions.*,
        companies.name as company_name
    from {{ ref('stg_enrichment__people_versions') }} as people_versions
    left join {{ ref('stg_enrichment__companies') }} as companies
        on people_versions.company_domain = companies.company_domain
),

attributes as (
    {{ attribute_rows('enrichment', {
        'people_versions': [
            ['full_name', 'full_name'],
            ['job_title', 'job_title'],
            ['company_domain', 'company_domain'],
            ['company_name', 'company_name'],
            ['age_band', 'age_band'],
            ['income_band', 'income_band'],
            ['country_code', 'country_code'],
            ['email', 'email'],
        ],
    }) }}
)

select * from attributes
