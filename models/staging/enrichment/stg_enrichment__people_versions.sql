{{ config(materialized='table') }}

with

raw_people as (
    select
        *,
        lower(trim(email)) as address
    from {{ raw('enrichment', 'people') }} as people
),

appearances as (
    {{ all_appearances('enrichment', 'people', key='address', changed_at='updated_at', relation='raw_people') }}
),

people_versions as (
    select
        -- ids
        'people:' || md5(address) as record_id,
        -- strings
        {{ text_or_null('email') }} as email,
        {{ text_or_null('full_name') }} as full_name,
        {{ text_or_null('job_title') }} as job_title,
        {{ text_or_null('seniority') }} as seniority,
        {{ text_or_null('lower(company_domain)') }} as company_domain,
        {{ text_or_null('age_band') }} as age_band,
        {{ text_or_null('income_band') }} as income_band,
        {{ text_or_null('upper(country_code)') }} as country_code,
        -- booleans
        is_latest,
        -- timestamps
        changed_at,
        seen_from
    from appearances
)

select * from people_versions
