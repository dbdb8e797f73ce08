with

orders as (
    select
        *,
        cast(date_trunc('month', ordered_at) as date) as month_date,
        cast(date_trunc('month', min(ordered_at) over (partition by customer_id)) as date) as cohort_month_date
    from {{ ref('int_customers__counted_orders') }}
),

cohorts as (
    select
        cohort_month_date,
        count(distinct customer_id) as people
    from orders
    group by cohort_month_date
),

clock as (
    select cast(date_trunc('month', as_of) as date) as current_month_date
    from {{ ref('int_customers__as_of') }}
),

-- months in which nobody at all ordered have no row
months as (
    select month_date from orders
    union distinct
    select current_month_date as month_date from clock
),

activity as (
    select
        cohort_month_date,
        month_date,
        count(distinct customer_id) as active_people,
        count(*) as orders,
        sum(net_amount_eur) as revenue_eur
    from orders
    group by cohort_month_date, month_date
),

retention as (
    select
        cohorts.cohort_month_date,
        months.month_date,
        cast(
            (extract(year from months.month_date) - extract(year from cohorts.cohort_month_date)) * 12
            + extract(month from months.month_date) - extract(month from cohorts.cohort_month_date) as integer
        ) as months_since,
        cast(cohorts.people as integer) as people,
        cast(coalesce(activity.active_people, 0) as integer) as active_people,
        cast(coalesce(activity.orders, 0) as integer) as orders,
        cast(coalesce(activity.revenue_eur, 0) as decimal(18, 2)) as revenue_eur,
        cast(coalesce(activity.active_people, 0) as double) / cohorts.people as active_share,
        months.month_date < clock.current_month_date as is_complete
    from cohorts
    inner join months on cohorts.cohort_month_date <= months.month_date
    cross join clock
    left join activity
        on cohorts.cohort_month_date = activity.cohort_month_date and months.month_date = activity.month_date
)

select * from retention
