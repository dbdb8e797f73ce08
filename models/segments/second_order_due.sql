/*
What:    people with one order, 30 to 60 days old: about now the second comes, or it never does.
Owner:   crm@example.com
Purpose: marketing
*/
with

second_order_due as (
    select customer_id
    from {{ ref('customers') }}
    where
        order_count = 1
        and last_order_at <= {{ add_days(as_of(), -30) }}
        and last_order_at > {{ add_days(as_of(), -60) }}
)

select * from second_order_due
