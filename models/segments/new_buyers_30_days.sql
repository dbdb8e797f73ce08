/*
What:    people whose first order is at most 30 days old: welcome them.
Owner:   crm@example.com
Purpose: marketing
*/
with

new_buyers as (
    select customer_id
    from {{ ref('customers') }}
    where first_order_at > {{ add_days(as_of(), -30) }}
)

select * from new_buyers
