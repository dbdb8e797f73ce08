with

companies as (
    select
        *,
        {{ normalise_domain('company_domain') }} as domain
    from (
        {{ union_sources('companies') }}
    ) as told
),

free_mail as (
    select domain from {{ ref('email_providers') }}
    where is_free
),

-- the id that identity_accounts gives people of that domain; a company without one of its own is itself
identified as (
    select
        companies.source,
        companies.company_id,
        case
            when companies.domain is null or free_mail.domain is not null
                then md5(companies.source || ':' || companies.company_id)
            else md5(companies.domain)
        end as account_id,
        case when free_mail.domain is null then companies.domain end as company_domain,
        companies.name,
        companies.industry,
        companies.employee_count,
        companies.country_code,
        companies.updated_at
    from companies
    left join free_mail on companies.domain = free_mail.domain
)

select * from identified
