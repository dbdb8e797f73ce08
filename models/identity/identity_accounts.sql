with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

attributes as (
    {{ union_sources('attributes') }}
),

domains as (
    select
        source,
        record_id,
        observed_at,
        attribute,
        {{ normalise_domain('value') }} as company_domain
    from attributes
    where attribute in ('company_domain', 'email')
),

free_mail as (
    select domain from {{ ref('email_providers') }}
    where is_free
),

company_domains as (
    select domains.*
    from domains
    left join free_mail on domains.company_domain = free_mail.domain
    where domains.company_domain is not null and free_mail.domain is null
),

-- what a source says of the employer goes before what the address lets one guess; then the latest
ranked as (
    select
        identity_graph.customer_id,
        company_domains.company_domain,
        row_number() over (
            partition by identity_graph.customer_id
            order by
                case company_domains.attribute when 'company_domain' then 0 else 1 end,
                company_domains.observed_at desc,
                company_domains.company_domain asc
        ) as place
    from company_domains
    inner join identity_graph
        on company_domains.source = identity_graph.source and company_domains.record_id = identity_graph.record_id
),

accounts as (
    select
        customer_id,
        md5(company_domain) as account_id,
        company_domain
    from ranked
    where place = 1
)

select * from accounts
