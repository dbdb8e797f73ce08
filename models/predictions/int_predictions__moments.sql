with

clock as (
    select as_of from {{ ref('int_customers__as_of') }}
),

cuts as (
    select 0 as cut_number
    {% for number in range(1, var('predictions_cuts') + 1) %}
    union all
    select {{ number }} as cut_number
    {% endfor %}
),

ranked_orders as (
    select
        customer_orders.ordered_at,
        clock.as_of,
        row_number() over (order by customer_orders.ordered_at, customer_orders.order_id) as place,
        count(*) over () as order_count
    from {{ ref('customer_orders') }} as customer_orders
    cross join clock
    where customer_orders.ordered_at <= clock.as_of
),

-- a few orders of years ago, taken over from an older shop, are no history to learn from
history as (
    select coalesce({{ days_between('min(ordered_at)', 'max(as_of)') }}, 0) as days
    from ranked_orders
    where place > order_count * 0.05
),

-- a year ahead, or half of what there is; before that, as far again or half of what is then left
spans as (
    select
        horizon_days,
        cast(least(horizon_days, floor((days - horizon_days) / 2)) as integer) as earlier_days
    from (
        select
            days,
            cast(least(365, floor(days / 2)) as integer) as horizon_days
        from history
    ) as halved
),

expected_value_moments as (
    select
        'expected_value' as model,
        0 as cut_number,
        clock.as_of as moment,
        spans.horizon_days
    from clock
    cross join spans
    union all
    select
        'expected_value' as model,
        1 as cut_number,
        {{ add_days('clock.as_of', '-spans.horizon_days') }} as moment,
        spans.horizon_days
    from clock
    cross join spans
    where spans.horizon_days > 0
    union all
    select
        'expected_value' as model,
        2 as cut_number,
        {{ add_days('clock.as_of', '-(spans.horizon_days + spans.earlier_days)') }} as moment,
        spans.earlier_days as horizon_days
    from clock
    cross join spans
    where spans.earlier_days > 0
),

-- the windows ahead of the cuts lie side by side: no two of them ask for the same days
churn_moments as (
    select
        'churn' as model,
        cuts.cut_number,
        {{ add_days('clock.as_of', '-cuts.cut_number * ' ~ var('churn_days')) }} as moment,
        {{ var('churn_days') }} as horizon_days
    from clock
    cross join cuts
),

-- a message of the window's last day has its days to be answered, too
{% set campaign_step = var('campaign_days') + var('campaign_response_days') -%}
campaign_moments as (
    select
        'campaign_propensity' as model,
        cuts.cut_number,
        {{ add_days('clock.as_of', '-cuts.cut_number * ' ~ campaign_step) }} as moment,
        {{ var('campaign_days') }} as horizon_days
    from clock
    cross join cuts
),

moments as (
    select * from expected_value_moments
    union all
    select * from churn_moments
    union all
    select * from campaign_moments
)

select * from moments
