/*
What:    people with two orders or more who never took a discount: spare the margin, send no codes.
Owner:   growth@example.com
Purpose: marketing
*/
with

full_price_buyers as (
    select customer_id
    from {{ ref('customer_orders') }}
    where status <> 'cancelled'
    group by customer_id
    having count(*) >= 2 and count(case when discount_amount > 0 or discount_code is not null then 1 end) = 0
)

select * from full_price_buyers
