-- now, and two cuts in the past: the weights are learned at the earlier and judged at the later
with

clock as (
    select as_of from {{ ref('int_customers__as_of') }}
),

history as (
    select
        clock.as_of,
        cast(
            least(
                {{ var('next_products_days') }},
                floor({{ days_between('min(customer_orders.ordered_at)', 'clock.as_of') }} / 4)
            ) as integer
        ) as horizon_days
    from {{ ref('customer_orders') }} as customer_orders
    cross join clock
    where customer_orders.ordered_at <= clock.as_of
    group by clock.as_of
),

cuts as (
    select 0 as cut_number
    union all
    select 1 as cut_number
    union all
    select 2 as cut_number
),

basket_moments as (
    select
        cuts.cut_number,
        {{ add_days('history.as_of', '-cuts.cut_number * history.horizon_days') }} as moment,
        history.horizon_days
    from history
    cross join cuts
    where cuts.cut_number = 0 or history.horizon_days > 0
)

select * from basket_moments
