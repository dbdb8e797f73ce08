with

raw_companies as (
    select
        *,
        lower(trim(domain)) as company_domain
    from {{ raw('enrichment', 'companies') }} as companies
),

appearances as (
    {{ latest_appearances(
        'enrichment', 'companies', key='company_domain', changed_at='updated_at', relation='raw_companies'
    ) }}
),

companies as (
    select
        'enrichment' as source,
        company_domain as company_id,
        company_domain,
        {{ text_or_null('name') }} as name,
        {{ text_or_null('industry') }} as industry,
        try_cast(employees as integer) as employee_count,
        {{ text_or_null('upper(country_code)') }} as country_code,
        {{ utc_timestamp('updated_at') }} as updated_at
    from appearances
)

select * from companies
