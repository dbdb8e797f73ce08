with

contacts as (
    select * from {{ ref('int_customers__first_contacts') }}
),

first_orders as (
    select * from {{ ref('int_customers__counted_orders') }}
    where order_place = 1
),

-- however long ago: the window is for orders, not for how people came
touchpoints as (
    select
        touchpoints.*,
        row_number() over (
            partition by touchpoints.customer_id
            order by touchpoints.is_own, touchpoints.touched_at, touchpoints.touchpoint_id
        ) as precedence
    from {{ ref('customer_touchpoints') }} as touchpoints
    left join first_orders on touchpoints.customer_id = first_orders.customer_id
    where first_orders.customer_id is null or touchpoints.touched_at <= first_orders.ordered_at
),

customer_acquisitions as (
    select
        contacts.customer_id,
        coalesce(touchpoints.channel, 'unattributed') as channel,
        touchpoints.campaign,
        touchpoints.touchpoint_id,
        first_orders.order_id as first_order_id,
        contacts.first_seen_at,
        touchpoints.touched_at,
        first_orders.ordered_at as first_order_at
    from contacts
    left join first_orders on contacts.customer_id = first_orders.customer_id
    left join touchpoints on contacts.customer_id = touchpoints.customer_id and touchpoints.precedence = 1
)

select * from customer_acquisitions
