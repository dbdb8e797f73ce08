with

events as (
    {{ union_sources('events') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_events as (
    select
        events.source || ':' || events.event_id as event_id,
        identity_graph.customer_id,
        events.source,
        events.record_id,
        events.event_type,
        events.channel,
        events.campaign,
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
)

select * from customer_events
