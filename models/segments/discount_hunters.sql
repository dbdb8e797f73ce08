/*
What:    people with three orders or more, at least two of three of them with a discount.
Owner:   growth@example.com
Purpose: marketing
*/
with

discount_hunters as (
    select customer_id
    from {{ ref('customer_orders') }}
    where status <> 'cancelled'
    group by customer_id
    having
        count(*) >= 3
        and count(case when discount_amount > 0 or discount_code is not null then 1 end) * 3 >= count(*) * 2
)

select * from discount_hunters
