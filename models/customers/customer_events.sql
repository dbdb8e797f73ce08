with

events as (
    {{ union_sources('events') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

-- on a device of several people the one who was logged in
device_owners as (
    select * from {{ ref('identity_device_owners') }}
),

owned as (
    select
        events.source || ':' || events.event_id as event_id,
        coalesce(device_owners.customer_id, identity_graph.customer_id) as customer_id,
        events.source,
        events.record_id,
        events.device_record_id,
        events.event_type,
        events.channel,
        events.campaign,
        events.utm_source,
        events.utm_medium,
        events.referrer_host,
        events.page_path,
        events.device_type,
        events.product_id,
        events.cart_id,
        events.order_id,
        events.ticket_id,
        events.detail,
        events.amount,
        events.currency,
        events.occurred_at,
        events.received_at
    from events
    inner join identity_graph
        on events.source = identity_graph.source and events.record_id = identity_graph.record_id
    left join device_owners
        on
            events.source = device_owners.source
            and events.record_id = device_owners.record_id
            and events.occurred_at >= device_owners.valid_from
            and events.occurred_at < device_owners.valid_to
),

sessionised as (
    {{ with_sessions('owned') }}
),

customer_events as (
    select
        event_id,
        customer_id,
        source,
        record_id,
        device_record_id,
        session_id,
        event_type,
        channel,
        campaign,
        utm_source,
        utm_medium,
        referrer_host,
        page_path,
        device_type,
        product_id,
        cart_id,
        order_id,
        ticket_id,
        detail,
        amount,
        currency,
        occurred_at,
        received_at
    from sessionised
)

select * from customer_events
