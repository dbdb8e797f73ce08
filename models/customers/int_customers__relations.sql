with

people as (
    select distinct customer_id from {{ ref('identity_graph') }}
),

identity_accounts as (
    select * from {{ ref('identity_accounts') }}
),

identity_households as (
    select * from {{ ref('identity_households') }}
),

tickets as (
    select
        customer_id,
        count(*) as ticket_count,
        sum(case when is_open then 1 else 0 end) as open_ticket_count,
        max(opened_at) as last_ticket_at
    from {{ ref('customer_tickets') }}
    group by customer_id
),

deals as (
    select
        customer_id,
        sum(case when is_open then 1 else 0 end) as open_deal_count,
        sum(case when is_open then coalesce(amount_eur, 0) else 0 end) as open_deal_eur
    from {{ ref('customer_deals') }}
    where customer_id is not null
    group by customer_id
),

carts as (
    select
        customer_id,
        count(*) as cart_count,
        sum(case when outcome = 'open' then 1 else 0 end) as open_cart_count,
        sum(case when outcome = 'abandoned' then 1 else 0 end) as abandoned_cart_count
    from {{ ref('customer_carts') }}
    group by customer_id
),

relations as (
    select
        people.customer_id,
        identity_accounts.account_id,
        identity_households.household_id,
        cast(coalesce(tickets.ticket_count, 0) as integer) as ticket_count,
        cast(coalesce(tickets.open_ticket_count, 0) as integer) as open_ticket_count,
        cast(coalesce(deals.open_deal_count, 0) as integer) as open_deal_count,
        cast(coalesce(deals.open_deal_eur, 0) as decimal(18, 2)) as open_deal_eur,
        cast(coalesce(carts.cart_count, 0) as integer) as cart_count,
        cast(coalesce(carts.open_cart_count, 0) as integer) as open_cart_count,
        cast(coalesce(carts.abandoned_cart_count, 0) as integer) as abandoned_cart_count,
        tickets.last_ticket_at
    from people
    left join identity_accounts on people.customer_id = identity_accounts.customer_id
    left join identity_households on people.customer_id = identity_households.customer_id
    left join tickets on people.customer_id = tickets.customer_id
    left join deals on people.customer_id = deals.customer_id
    left join carts on people.customer_id = carts.customer_id
)

select * from relations
