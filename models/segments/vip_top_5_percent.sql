/*
What:    the best 5 % of last year's buyers by revenue, rounded up.
Owner:   crm@example.com
Purpose: marketing
*/
with

buyers as (
    select
        customer_id,
        sum(net_amount_eur) as revenue_eur
    from {{ ref('customer_orders') }}
    where status <> 'cancelled' and ordered_at > {{ add_days(as_of(), -365) }}
    group by customer_id
),

ranked as (
    select
        customer_id,
        row_number() over (order by revenue_eur desc, customer_id asc) as place,
        count(*) over () as buyer_count
    from buyers
    where revenue_eur > 0
),

vip as (
    select customer_id
    from ranked
    where (place - 1) * 20 < buyer_count
)

select * from vip
