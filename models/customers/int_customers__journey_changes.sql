{{ config(materialized='incremental', unique_key='customer_id', incremental_strategy='merge') }}

with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

-- what comes after it leads to no order yet
last_orders as (
    select
        customer_id,
        max(ordered_at) as ordered_at
    from orders
    group by customer_id
),

said as (
    select
        customer_id,
        {{ columns_hash(['order_id', 'net_amount_eur', 'ordered_at']) }} as said
    from orders
    union all
    select
        touchpoints.customer_id,
        {{ columns_hash([
            'touchpoints.touchpoint_id', 'touchpoints.channel', 'touchpoints.campaign', 'touchpoints.is_own',
            'touchpoints.touched_at',
        ]) }} as said
    from {{ ref('customer_touchpoints') }} as touchpoints
    inner join last_orders
        on touchpoints.customer_id = last_orders.customer_id and touchpoints.touched_at <= last_orders.ordered_at
    union all
    select
        events.customer_id,
        {{ columns_hash(['events.event_id', 'events.event_type', 'events.occurred_at']) }} as said
    from {{ ref('customer_events') }} as events
    inner join last_orders
        on events.customer_id = last_orders.customer_id and events.occurred_at <= last_orders.ordered_at
    where {{ is_step('events.event_type') }}
),

fingerprints as (
    select
        customer_id,
        cast(sum(said) as string) as fingerprint
    from said
    group by customer_id
),

journey_changes as (
    {{ changed_fingerprints('fingerprints') }}
)

select * from journey_changes
