with

acquisitions as (
    select
        *,
        cast(date_trunc('month', first_order_at) as date) as month_date
    from {{ ref('customer_acquisitions') }}
    where first_order_id is not null
),

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

expected_value as (
    select * from {{ ref('expected_value') }}
),

costs as (
    select
        cast(date_trunc('month', cost_date) as date) as month_date,
        channel,
        campaign,
        sum(cost_eur) as cost_eur,
        sum(impressions) as impressions,
        sum(clicks) as clicks
    from {{ ref('campaign_costs') }}
    group by cast(date_trunc('month', cost_date) as date), channel, campaign
),

data_driven as (
    select
        acquisitions.month_date,
        attributions.channel,
        attributions.campaign,
        sum(attributions.weight) as new_customers_data_driven
    from {{ ref('order_attributions') }} as attributions
    inner join acquisitions on attributions.order_id = acquisitions.first_order_id
    where attributions.model = 'data_driven'
    group by acquisitions.month_date, attributions.channel, attributions.campaign
),

customer_revenue as (
    select
        customer_id,
        monetary_eur as revenue_eur
    from {{ ref('customer_rfm') }}
),

acquired as (
    select
        acquisitions.month_date,
        acquisitions.channel,
        acquisitions.campaign,
        count(*) as new_customers,
        sum(customer_revenue.revenue_eur) as revenue_eur,
        {{ amount_each(
            'sum(expected_value.expected_value_12_months_eur)', 'count(expected_value.expected_value_12_months_eur)'
        ) }} as expected_value_12_months_eur
    from acquisitions
    inner join customer_revenue on acquisitions.customer_id = customer_revenue.customer_id
    left join expected_value on acquisitions.customer_id = expected_value.customer_id
    group by acquisitions.month_date, acquisitions.channel, acquisitions.campaign
),

-- the sum of what the acquired had spent so many days after their first order
earned as (
    select
        acquisitions.month_date,
        acquisitions.channel,
        acquisitions.campaign,
        {{ days_between('acquisitions.first_order_at', 'orders.ordered_at') }} as days_since,
        sum(sum(orders.net_amount_eur)) over (
            partition by acquisitions.month_date, acquisitions.channel, acquisitions.campaign
            order by {{ days_between('acquisitions.first_order_at', 'orders.ordered_at') }}
        ) as revenue_eur
    from acquisitions
    inner join orders on acquisitions.customer_id = orders.customer_id
    group by
        acquisitions.month_date, acquisitions.channel, acquisitions.campaign,
        {{ days_between('acquisitions.first_order_at', 'orders.ordered_at') }}
),

paid_back as (
    select
        earned.month_date,
        earned.channel,
        earned.campaign,
        min(earned.days_since) as payback_days
    from earned
    inner join costs
        on
            earned.month_date = costs.month_date
            and earned.channel = costs.channel
            and earned.campaign is not distinct from costs.campaign
    where earned.revenue_eur >= costs.cost_eur
    group by earned.month_date, earned.channel, earned.campaign
),

cells as (
    select
        month_date,
        channel,
        campaign
    from costs
    union distinct
    select
        month_date,
        channel,
        campaign
    from acquired
    union distinct
    select
        month_date,
        channel,
        campaign
    from data_driven
),

acquisition as (
    select
        cells.month_date,
        cells.channel,
        cells.campaign,
        cast(coalesce(costs.cost_eur, 0) as decimal(18, 2)) as cost_eur,
        cast(coalesce(costs.impressions, 0) as bigint) as impressions,
        cast(coalesce(costs.clicks, 0) as bigint) as clicks,
        cast(coalesce(acquired.new_customers, 0) as integer) as new_customers,
        coalesce(data_driven.new_customers_data_driven, cast(0 as double)) as new_customers_data_driven,
        {{ amount_each('costs.cost_eur', 'acquired.new_customers') }} as cost_per_customer_eur,
        cast(costs.cost_eur / nullif(round(data_driven.new_customers_data_driven, 2), 0) as decimal(18, 2))
            as cost_per_customer_data_driven_eur,
        cast(coalesce(acquired.revenue_eur, 0) as decimal(18, 2)) as revenue_eur,
        {{ amount_each('acquired.revenue_eur', 'acquired.new_customers') }} as revenue_per_customer_eur,
        acquired.expected_value_12_months_eur,
        cast(paid_back.payback_days as integer) as payback_days
    from cells
    left join costs
        on
            cells.month_date = costs.month_date
            and cells.channel = costs.channel
            and cells.campaign is not distinct from costs.campaign
    left join acquired
        on
            cells.month_date = acquired.month_date
            and cells.channel = acquired.channel
            and cells.campaign is not distinct from acquired.campaign
    left join data_driven
        on
            cells.month_date = data_driven.month_date
            and cells.channel = data_driven.channel
            and cells.campaign is not distinct from data_driven.campaign
    left join paid_back
        on
            cells.month_date = paid_back.month_date
            and cells.channel = paid_back.channel
            and cells.campaign is not distinct from paid_back.campaign
)

select * from acquisition
