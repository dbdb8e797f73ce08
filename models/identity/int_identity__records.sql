with

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

attributes as (
    {{ union_sources('attributes') }}
),

events as (
    {{ union_sources('events') }}
),

orders as (
    {{ union_sources('orders') }}
),

sightings as (
    select
        source,
        record_id,
        first_seen_at,
        last_seen_at
    from identifiers
    union all
    select
        source,
        record_id,
        observed_at as first_seen_at,
        observed_at as last_seen_at
    from attributes
    union all
    select
        source,
        record_id,
        occurred_at as first_seen_at,
        occurred_at as last_seen_at
    from events
    union all
    select
        source,
        record_id,
        ordered_at as first_seen_at,
        ordered_at as last_seen_at
    from orders
),

seen as (
    select
        source,
        record_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from sightings
    group by source, record_id
),

records as (
    select
        nodes.node_id,
        seen.source,
        seen.record_id,
        seen.first_seen_at,
        seen.last_seen_at
    from seen
    inner join nodes on seen.source = nodes.source and seen.record_id = nodes.record_id
)

select * from records
