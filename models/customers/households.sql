with

identity_households as (
    select * from {{ ref('identity_households') }}
),

order_totals as (
    select * from {{ ref('int_customers__order_totals') }}
),

countries as (
    select
        identity_households.household_id,
        attributes.value as country_code,
        row_number() over (
            partition by identity_households.household_id order by count(*) desc, attributes.value
        ) as place
    from identity_households
    inner join {{ ref('customer_attribute_sources') }} as attributes
        on identity_households.customer_id = attributes.customer_id and attributes.attribute = 'country_code'
    group by identity_households.household_id, attributes.value
),

totals as (
    select
        identity_households.household_id,
        cast(count(*) as integer) as people_count,
        cast(sum(coalesce(order_totals.order_count, 0)) as integer) as order_count,
        cast(sum(coalesce(order_totals.revenue_eur, 0)) as decimal(18, 2)) as revenue_eur,
        max(order_totals.last_order_at) as last_order_at
    from identity_households
    left join order_totals on identity_households.customer_id = order_totals.customer_id
    group by identity_households.household_id
),

households as (
    select
        totals.household_id,
        countries.country_code,
        totals.people_count,
        totals.order_count,
        totals.revenue_eur,
        totals.last_order_at
    from totals
    left join countries on totals.household_id = countries.household_id and countries.place = 1
)

select * from households
