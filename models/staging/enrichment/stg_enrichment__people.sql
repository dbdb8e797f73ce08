with

people_versions as (
    select * from {{ ref('stg_enrichment__people_versions') }}
),

people as (
    select
        -- ids
        record_id,
        -- strings
        email,
        full_name,
        job_title,
        seniority,
        company_domain,
        age_band,
        income_band,
        country_code,
        -- timestamps
        changed_at as updated_at
    from people_versions
    where is_latest
)

select * from people
