with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

events as (
    {{ union_sources('events') }}
),

orders as (
    {{ union_sources('orders') }}
),

-- a record may do something before, or without ever, naming an identifier: it is a person too
mentions as (
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
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from events
    group by source, record_id
    union all
    select
        source,
        record_id,
        min(ordered_at) as first_seen_at,
        max(ordered_at) as last_seen_at
    from orders
    group by source, record_id
),

seen as (
    select
        source,
        record_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from mentions
    where record_id is not null
    group by source, record_id
),

-- dense integers, in the order of age: the smallest id of a component is its oldest record
numbered as (
    select
        row_number() over (order by first_seen_at, source, record_id) as node_id,
        source,
        record_id,
        first_seen_at,
        last_seen_at
    from seen
)

select * from numbered
