with

identity_accounts as (
    select * from {{ ref('identity_accounts') }}
),

companies as (
    select * from {{ ref('int_customers__companies') }}
),

source_order as (
    select source_order from {{ ref('survivorship') }}
    where attribute = '*'
),

deals as (
    select * from {{ ref('customer_deals') }}
),

order_totals as (
    select * from {{ ref('int_customers__order_totals') }}
),

records as (
    select * from {{ ref('int_customers__records') }}
),

known as (
    select
        account_id,
        company_domain
    from identity_accounts
    union
    select
        account_id,
        company_domain
    from companies
),

-- each attribute from the most trusted source that knows it, then the latest
ranked as (
    select
        companies.*,
        row_number() over (
            partition by companies.account_id
            order by
                {{ place_in_order('companies.source', 'source_order.source_order') }} asc,
                companies.updated_at desc nulls last,
                companies.source asc,
                companies.company_id asc
        ) as place
    from companies
    cross join source_order
),

described as (
    select
        account_id,
        min_by(name, place) filter (where name is not null) as name,
        min_by(industry, place) filter (where industry is not null) as industry,
        min_by(country_code, place) filter (where country_code is not null) as country_code,
        min_by(employee_count, place) filter (where employee_count is not null) as employee_count
    from ranked
    group by account_id
),

people as (
    select
        identity_accounts.account_id,
        cast(count(*) as integer) as people_count,
        cast(sum(coalesce(order_totals.order_count, 0)) as integer) as order_count,
        cast(sum(coalesce(order_totals.revenue_eur, 0)) as decimal(18, 2)) as revenue_eur,
        max(records.last_event_at) as last_event_at
    from identity_accounts
    left join order_totals on identity_accounts.customer_id = order_totals.customer_id
    left join records on identity_accounts.customer_id = records.customer_id
    group by identity_accounts.account_id
),

pipeline as (
    select
        account_id,
        cast(sum(case when is_open then 1 else 0 end) as integer) as open_deal_count,
        cast(sum(case when is_open then coalesce(amount_eur, 0) else 0 end) as decimal(18, 2)) as open_pipeline_eur,
        cast(sum(case when is_won then 1 else 0 end) as integer) as won_deal_count,
        cast(sum(case when is_won then coalesce(amount_eur, 0) else 0 end) as decimal(18, 2)) as won_eur,
        max(updated_at) as last_deal_at
    from deals
    where account_id is not null
    group by account_id
),

accounts as (
    select
        known.account_id,
        coalesce(described.name, known.company_domain) as name,
        known.company_domain as domain,
        described.industry,
        described.country_code,
        described.employee_count,
        coalesce(people.people_count, 0) as people_count,
        coalesce(people.order_count, 0) as order_count,
        coalesce(people.revenue_eur, cast(0 as decimal(18, 2))) as revenue_eur,
        coalesce(pipeline.open_deal_count, 0) as open_deal_count,
        coalesce(pipeline.open_pipeline_eur, cast(0 as decimal(18, 2))) as open_pipeline_eur,
        coalesce(pipeline.won_deal_count, 0) as won_deal_count,
        coalesce(pipeline.won_eur, cast(0 as decimal(18, 2))) as won_eur,
        case
            when people.last_event_at is null or pipeline.last_deal_at > people.last_event_at then pipeline.last_deal_at
            else people.last_event_at
        end as last_activity_at
    from known
    left join described on known.account_id = described.account_id
    left join people on known.account_id = people.account_id
    left join pipeline on known.account_id = pipeline.account_id
)

select * from accounts
