/*
What:    people with two orders or more who probably order no more for a while (7 in 10 or worse); empty while the
         prediction is not published.
Owner:   crm@example.com
Purpose: marketing
*/
with

churn_likely as (
    select customers.customer_id
    from {{ ref('customers') }} as customers
    inner join {{ ref('churn') }} as churn on customers.customer_id = churn.customer_id
    where customers.order_count >= 2 and churn.churn_probability >= 0.7
)

select * from churn_likely
