/*
What:    the best fifth of buyers by revenue who have been away twice as long as they used to be, and at least 45
         days.
Owner:   crm@example.com
Purpose: marketing
*/
with

buyers as (
    select
        customer_id,
        days_since_last_order,
        {{ days_between('first_order_at', 'last_order_at') }}
        / nullif(order_count - 1, 0) as usual_gap_days,
        ntile(5) over (order by revenue_eur desc, customer_id asc) as revenue_fifth
    from {{ ref('customers') }}
    where order_count > 0
),

high_value_at_risk as (
    select customer_id
    from buyers
    where
        revenue_fifth = 1
        and days_since_last_order >= 45
        and days_since_last_order >= 2 * coalesce(usual_gap_days, 0)
)

select * from high_value_at_risk
