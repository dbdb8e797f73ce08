with

carts as (
    select * from {{ ref('customer_carts') }}
    where outcome <> 'open'
),

customers as (
    select * from {{ ref('customers') }}
),

closed_carts as (
    select
        carts.cart_id,
        customers.country_code,
        customers.acquisition_channel,
        customers.lifecycle_stage,
        carts.outcome = 'abandoned' as is_abandoned,
        carts.started_at
    from carts
    left join customers on carts.customer_id = customers.customer_id
)

select * from closed_carts
