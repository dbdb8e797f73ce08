with

deals as (
    select
        *,
        source || ':' || deal_id as global_deal_id
    from (
        {{ union_sources('deals') }}
    ) as told
    where appearance = 1
),

deal_stays as (
    select * from {{ ref('int_customers__deal_stays') }}
    where is_current
),

deal_stages as (
    select * from {{ ref('deal_stages') }}
),

companies as (
    select * from {{ ref('int_customers__companies') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

identity_accounts as (
    select * from {{ ref('identity_accounts') }}
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

-- a stage the seed does not know counts as open: better one deal too many to look after than one forgotten
customer_deals as (
    select
        deals.global_deal_id as deal_id,
        identity_graph.customer_id,
        coalesce(companies.account_id, identity_accounts.account_id) as account_id,
        deals.source,
        deals.record_id,
        deals.name,
        deal_stays.stage,
        deals.currency,
        deals.amount,
        {{ in_eur('deals.amount', 'daily_rates.rate') }} as amount_eur,
        deals.probability,
        coalesce(deal_stages.is_open, true) as is_open,
        coalesce(deal_stages.is_won, false) as is_won,
        deals.expected_close_date,
        coalesce(deals.created_at, deals.seen_from) as created_at,
        case when not deal_stages.is_open then deal_stays.entered_at end as closed_at,
        deals.seen_from as updated_at
    from deals
    inner join deal_stays on deals.global_deal_id = deal_stays.deal_id
    left join deal_stages on deal_stays.stage = deal_stages.stage
    left join companies on deals.source = companies.source and deals.company_id = companies.company_id
    left join identity_graph
        on deals.source = identity_graph.source and deals.record_id = identity_graph.record_id
    left join identity_accounts on identity_graph.customer_id = identity_accounts.customer_id
    left join daily_rates
        on
            deals.currency = daily_rates.currency
            and cast(coalesce(deals.created_at, deals.seen_from) as date) = daily_rates.rate_date
)

select * from customer_deals
