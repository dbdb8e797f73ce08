/*
What:    45 % of those whose last order is more than 120 days old, drawn by hash: they get free delivery.
Owner:   crm@example.com
Purpose: marketing
*/
with

winback as (
    select customer_id
    from {{ ref('customers') }}
    where
        last_order_at < {{ add_days(as_of(), -120) }}
        and {{ split('winback', a=45, b=45, holdout=10) }} = 'b'
)

select * from winback
