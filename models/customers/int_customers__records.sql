with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

last_activity as (
    select
        customer_id,
        max(occurred_at) as last_event_at
    from {{ ref('customer_events') }}
    group by customer_id
),

people as (
    select
        identity_graph.customer_id,
        cast(count(*) as integer) as record_count,
        cast(count(distinct identity_graph.source) as integer) as source_count,
        min(identity_graph.since) as first_seen_at
    from identity_graph
    group by identity_graph.customer_id
),

records as (
    select
        people.*,
        last_activity.last_event_at
    from people
    left join last_activity on people.customer_id = last_activity.customer_id
)

select * from records
