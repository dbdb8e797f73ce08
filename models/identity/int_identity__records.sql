with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

seen as (
    select
        source,
        record_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from identifiers
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
