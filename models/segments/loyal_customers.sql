/*
What:    people with three orders or more, one of them in the last 60 days.
Owner:   crm@example.com
Purpose: marketing
*/
with

loyal_customers as (
    select customer_id
    from {{ ref('customers') }}
    where order_count >= 3 and last_order_at >= {{ add_days(as_of(), -60) }}
)

select * from loyal_customers
