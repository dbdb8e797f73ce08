/*
What:    people at companies without an open or a won deal who did something in the last 30 days: leads for sales.
Owner:   sales@example.com
Purpose: marketing
*/
with

accounts_without_deal as (
    select account_id
    from {{ ref('accounts') }}
    where open_deal_count = 0 and won_deal_count = 0
),

people_at_accounts as (
    select distinct people.customer_id
    from {{ ref('identity_accounts') }} as people
    inner join accounts_without_deal on people.account_id = accounts_without_deal.account_id
),

active as (
    select customers.customer_id
    from {{ ref('customers') }} as customers
    inner join people_at_accounts on customers.customer_id = people_at_accounts.customer_id
    where customers.last_event_at > {{ add_days(as_of(), -30) }}
)

select * from active
