with

company_records as (
    select * from {{ ref('stg_hubspot__company_records') }}
),

companies as (
    select
        'hubspot' as source,
        company_id,
        company_domain,
        company_name as name,
        industry,
        employee_count,
        country_code,
        updated_at
    from company_records
    where record_class = 'staged'
)

select * from companies
