-- A company's and a household's figures are those of its people, nobody counted twice or forgotten.
with

totals as (
    select
        'accounts' as roll_up,
        (select sum(people_count) from {{ ref('accounts') }}) as people,
        (select count(*) from {{ ref('identity_accounts') }}) as people_expected,
        (select sum(revenue_eur) from {{ ref('accounts') }}) as revenue_eur,
        (
            select sum(orders.revenue_eur)
            from {{ ref('int_customers__order_totals') }} as orders
            inner join {{ ref('identity_accounts') }} as people on orders.customer_id = people.customer_id
        ) as revenue_eur_expected,
        (select sum(open_pipeline_eur + won_eur) from {{ ref('accounts') }}) as deals_eur,
        (
            select sum(amount_eur)
            from {{ ref('customer_deals') }}
            where account_id is not null and (is_open or is_won)
        ) as deals_eur_expected
    union all
    select
        'households' as roll_up,
        (select sum(people_count) from {{ ref('households') }}) as people,
        (select count(*) from {{ ref('identity_households') }}) as people_expected,
        (select sum(revenue_eur) from {{ ref('households') }}) as revenue_eur,
        (
            select sum(orders.revenue_eur)
            from {{ ref('int_customers__order_totals') }} as orders
            inner join {{ ref('identity_households') }} as people on orders.customer_id = people.customer_id
        ) as revenue_eur_expected,
        0 as deals_eur,
        0 as deals_eur_expected
)

select *
from totals
where
    coalesce(people, 0) <> coalesce(people_expected, 0)
    or coalesce(revenue_eur, 0) <> coalesce(revenue_eur_expected, 0)
    or coalesce(deals_eur, 0) <> coalesce(deals_eur_expected, 0)
