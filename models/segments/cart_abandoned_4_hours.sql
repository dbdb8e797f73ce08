/*
What:    people who filled a cart in the last 7 days, left it alone for 4 hours and have not ordered since.
Owner:   growth@example.com
Purpose: marketing
*/
with

cart_abandoned as (
    select distinct customer_id
    from {{ ref('customer_carts') }}
    -- the outcome waits 4 hours and knows of every order since
    where outcome = 'abandoned' and last_touched_at > {{ add_days(as_of(), -7) }}
)

select * from cart_abandoned
