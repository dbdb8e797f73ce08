/*
What:    people we can write to who clicked a mail or looked at products in the last 30 days and never bought.
Owner:   growth@example.com
Purpose: marketing
*/
with

engaged as (
    select distinct customer_id
    from {{ ref('customer_events') }}
    where
        event_type in ('email_clicked', 'product_viewed', 'product_added')
        and occurred_at > {{ add_days(as_of(), -30) }}
),

engaged_not_bought as (
    select customers.customer_id
    from {{ ref('customers') }} as customers
    inner join engaged on customers.customer_id = engaged.customer_id
    where customers.order_count = 0 and coalesce(customers.email, customers.phone) is not null
)

select * from engaged_not_bought
