with

assignments as (
    select
        *,
        row_number() over (partition by source, record_id order by assigned_in desc) as recency
    from {{ ref('identity_assignments') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

edges as (
    select * from {{ ref('identity_edges') }}
    where is_admitted
),

edge_ends as (
    select
        left_source as source,
        left_record_id as record_id,
        weight
    from edges
    union all
    select
        right_source as source,
        right_record_id as record_id,
        weight
    from edges
),

-- the strongest evidence that ties a record to its person
best_evidence as (
    select
        source,
        record_id,
        max(weight) as weight
    from edge_ends
    group by source, record_id
),

identity_graph as (
    select
        records.source,
        records.record_id,
        assignments.customer_id,
        records.first_seen_at as since,
        -- bits to a probability; a record alone is certainly itself
        cast(round(coalesce(1 / (1 + power(2.0, -best_evidence.weight)), 1), 3) as decimal(4, 3)) as confidence
    from records
    inner join assignments
        on
            records.source = assignments.source
            and records.record_id = assignments.record_id
            and assignments.recency = 1
    left join best_evidence
        on records.source = best_evidence.source and records.record_id = best_evidence.record_id
)

select * from identity_graph
