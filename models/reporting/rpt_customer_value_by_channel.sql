with

acquisitions as (
    select * from {{ ref('customer_acquisitions') }}
    where first_order_id is not null
),

countries as (
    select
        customer_id,
        country_code
    from {{ ref('customers') }}
),

revenue as (
    select
        customer_id,
        monetary_eur as revenue_eur
    from {{ ref('customer_rfm') }}
),

-- what most of the first order's money went to
first_categories as (
    select
        lines.order_id,
        products.category,
        row_number() over (
            partition by lines.order_id order by sum(lines.net_amount_eur) desc, products.category
        ) as precedence
    from {{ ref('customer_order_lines') }} as lines
    inner join acquisitions on lines.order_id = acquisitions.first_order_id
    inner join {{ ref('products') }} as products on lines.product_id = products.product_id
    where products.category is not null
    group by lines.order_id, products.category
),

expected_value as (
    select * from {{ ref('expected_value') }}
),

people as (
    select
        acquisitions.customer_id,
        acquisitions.channel,
        coalesce(countries.country_code, 'unknown') as country_code,
        coalesce(first_categories.category, 'unknown') as first_category,
        revenue.revenue_eur,
        expected_value.expected_value_12_months_eur as expected_value_eur
    from acquisitions
    inner join revenue on acquisitions.customer_id = revenue.customer_id
    left join countries on acquisitions.customer_id = countries.customer_id
    left join first_categories
        on acquisitions.first_order_id = first_categories.order_id and first_categories.precedence = 1
    left join expected_value on acquisitions.customer_id = expected_value.customer_id
),

values_by_kind as (
    select
        coalesce(channel, 'all') as channel,
        coalesce(country_code, 'all') as country_code,
        coalesce(first_category, 'all') as first_category,
        cast(count(*) as integer) as customers,
        cast(count(expected_value_eur) as integer) as customers_with_expected_value,
        {{ amount_each('sum(revenue_eur)', 'count(*)') }} as revenue_per_customer_eur,
        {{ amount_each('sum(expected_value_eur)', 'count(expected_value_eur)') }} as expected_value_12_months_eur,
        percentile_disc(0.25) within group (order by expected_value_eur) as expected_value_p25_eur,
        percentile_disc(0.50) within group (order by expected_value_eur) as expected_value_p50_eur,
        percentile_disc(0.75) within group (order by expected_value_eur) as expected_value_p75_eur,
        percentile_disc(0.90) within group (order by expected_value_eur) as expected_value_p90_eur
    from people
    group by cube(channel, country_code, first_category)
),

-- costs are known by channel, not by country: they are spread over all whom the channel brought since it is paid for
spent as (
    select
        coalesce(channel, 'all') as channel,
        sum(cost_eur) as cost_eur,
        min(cost_date) as paid_since_date
    from {{ ref('campaign_costs') }}
    group by cube(channel)
),

costs as (
    select
        spent.channel,
        {{ amount_each('spent.cost_eur', 'count(acquisitions.customer_id)') }} as cost_per_customer_eur
    from spent
    left join acquisitions
        on
            (spent.channel = 'all' or spent.channel = acquisitions.channel)
            and acquisitions.first_order_at >= cast(spent.paid_since_date as timestamp)
    group by spent.channel, spent.cost_eur
),

customer_value_by_channel as (
    select
        values_by_kind.channel,
        values_by_kind.country_code,
        values_by_kind.first_category,
        values_by_kind.customers,
        values_by_kind.customers_with_expected_value,
        values_by_kind.revenue_per_customer_eur,
        values_by_kind.expected_value_12_months_eur,
        cast(values_by_kind.expected_value_p25_eur as decimal(18, 2)) as expected_value_p25_eur,
        cast(values_by_kind.expected_value_p50_eur as decimal(18, 2)) as expected_value_p50_eur,
        cast(values_by_kind.expected_value_p75_eur as decimal(18, 2)) as expected_value_p75_eur,
        cast(values_by_kind.expected_value_p90_eur as decimal(18, 2)) as expected_value_p90_eur,
        costs.cost_per_customer_eur
    from values_by_kind
    left join costs on values_by_kind.channel = costs.channel
)

select * from customer_value_by_channel
