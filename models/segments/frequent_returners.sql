/*
What:    people with three orders or more who sent back something of at least half of them: help with sizes, not
         with offers.
Owner:   service@example.com
Purpose: marketing
*/
with

frequent_returners as (
    select customer_id
    from {{ ref('customer_orders') }}
    where status <> 'cancelled'
    group by customer_id
    having count(*) >= 3 and count(case when refunded_amount > 0 then 1 end) * 2 >= count(*)
)

select * from frequent_returners
