with

accounts as (
    select * from {{ ref('stg_salesforce__account_records') }}
),

companies as (
    select
        'salesforce' as source,
        account_id as company_id,
        company_domain,
        account_name as name,
        industry,
        employee_count,
        country_code,
        updated_at
    from accounts
    where record_class = 'staged'
)

select * from companies
