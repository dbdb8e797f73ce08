with

records as (
    select * from {{ ref('int_identity__records') }}
),

components as (
    select * from {{ ref('int_identity__components') }}
),

edges as (
    select * from {{ ref('identity_edges') }}
),

edge_ends as (
    select
        left_source as source,
        left_record_id as record_id,
        tier
    from edges
    union all
    select
        right_source as source,
        right_record_id as record_id,
        tier
    from edges
),

-- the strongest evidence that ties a record to its person
best_evidence as (
    select
        source,
        record_id,
        min(tier) as tier
    from edge_ends
    group by source, record_id
),

identity_graph as (
    select
        records.source,
        records.record_id,
        md5(oldest.source || ':' || oldest.record_id) as customer_id,
        records.first_seen_at as since,
        -- a first scale: proof, contact data, device; a record alone is certainly itself
        case coalesce(best_evidence.tier, 1)
            when 1 then 1.0
            when 2 then 0.9
            else 0.7
        end as confidence
    from records
    left join components on records.node_id = components.node_id
    -- who shares nothing with anyone is a person of one record
    inner join records as oldest on coalesce(components.component_id, records.node_id) = oldest.node_id
    left join best_evidence
        on records.source = best_evidence.source and records.record_id = best_evidence.record_id
)

select * from identity_graph
