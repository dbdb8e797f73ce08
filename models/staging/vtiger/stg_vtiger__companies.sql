with

accounts as (
    select * from {{ ref('stg_vtiger__accounts') }}
),

companies as (
    select
        'vtiger' as source,
        account_id as company_id,
        company_domain,
        account_name as name,
        industry,
        cast(null as integer) as employee_count,
        country_code,
        coalesce(updated_at, created_at) as updated_at
    from accounts
)

select * from companies
