with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

edges as (
    select * from {{ ref('identity_edges') }}
    where is_admitted
),

edge_ends as (
    select
        left_source as source,
        left_record_id as record_id,
        right_source as other_source,
        right_record_id as other_record_id,
        edge_id,
        rule,
        value_hash,
        weight,
        tier,
        first_seen_at,
        last_seen_at
    from edges
    union all
    select
        right_source as source,
        right_record_id as record_id,
        left_source as other_source,
        left_record_id as other_record_id,
        edge_id,
        rule,
        value_hash,
        weight,
        tier,
        first_seen_at,
        last_seen_at
    from edges
),

ranked as (
    select
        *,
        row_number() over (partition by source, record_id order by tier asc, weight desc, edge_id asc) as place,
        count(*) over (partition by source, record_id) as evidence_count
    from edge_ends
),

explanations as (
    select
        identity_graph.source,
        identity_graph.record_id,
        identity_graph.customer_id,
        coalesce(ranked.rule, 'alone') as rule,
        ranked.other_source,
        ranked.other_record_id,
        ranked.edge_id,
        ranked.value_hash,
        ranked.weight,
        identity_graph.confidence,
        cast(coalesce(ranked.evidence_count, 0) as bigint) as evidence_count,
        ranked.first_seen_at,
        ranked.last_seen_at
    from identity_graph
    left join ranked
        on
            identity_graph.source = ranked.source
            and identity_graph.record_id = ranked.record_id
            and ranked.place = 1
)

select * from explanations
