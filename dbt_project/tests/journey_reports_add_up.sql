-- whatever a report is broken down by, it tells of every order that counts and of every buyer
with

orders as (
    select
        count(*) as orders,
        count(distinct customer_id) as buyers,
        coalesce(sum(net_amount_eur), 0) as revenue_eur
    from {{ ref('int_customers__counted_orders') }}
),

told as (
    select
        'rpt_attribution, ' || model as report,
        round(sum(orders), 6) as orders,
        sum(revenue_eur) as revenue_eur,
        cast(null as bigint) as buyers
    from {{ ref('rpt_attribution') }}
    group by model
    union all
    select
        'rpt_retention' as report,
        sum(orders) as orders,
        sum(revenue_eur) as revenue_eur,
        sum(case when months_since = 0 then people end) as buyers
    from {{ ref('rpt_retention') }}
    union all
    select
        'rpt_acquisition' as report,
        cast(null as bigint) as orders,
        cast(null as decimal(18, 2)) as revenue_eur,
        sum(new_customers) as buyers
    from {{ ref('rpt_acquisition') }}
    union all
    select
        'rpt_acquisition, data_driven' as report,
        cast(null as bigint) as orders,
        cast(null as decimal(18, 2)) as revenue_eur,
        cast(round(sum(new_customers_data_driven), 6) as bigint) as buyers
    from {{ ref('rpt_acquisition') }}
    union all
    select
        'rpt_customer_value_by_channel' as report,
        cast(null as bigint) as orders,
        cast(null as decimal(18, 2)) as revenue_eur,
        sum(customers) as buyers
    from {{ ref('rpt_customer_value_by_channel') }}
    where channel <> 'all' and country_code <> 'all' and first_category <> 'all'
)

select
    told.*,
    orders.orders as all_orders,
    orders.revenue_eur as all_revenue_eur,
    orders.buyers as all_buyers
from told
cross join orders
where told.orders <> orders.orders or told.revenue_eur <> orders.revenue_eur or told.buyers <> orders.buyers
