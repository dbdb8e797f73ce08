{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

touches as (
    select
        order_id,
        sum({{ columns_hash(['touchpoint_id', 'channel', 'campaign', 'touched_at', 'touch_place']) }}) as said
    from {{ ref('int_customers__order_touches') }}
    group by order_id
),

orders as (
    select
        orders.customer_id,
        {{ columns_hash(['orders.order_id', 'orders.net_amount_eur', 'orders.ordered_at', 'touches.said']) }} as said
    from {{ ref('int_customers__counted_orders') }} as orders
    left join touches on orders.order_id = touches.order_id
),

fingerprints as (
    select
        customer_id,
        cast(sum(said) as string) as fingerprint
    from orders
    group by customer_id
),

journey_changes as (
    {{ changed_fingerprints('fingerprints') }}
)

select * from journey_changes
