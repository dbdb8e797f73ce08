with

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

clusters as (
    select * from {{ ref('int_identity__clusters') }}
),

labelled as (
    select
        identity_graph.source,
        identity_graph.record_id,
        identity_graph.customer_id,
        nodes.record_key,
        coalesce(clusters.strict_id, nodes.node_id) as strict_id,
        coalesce(clusters.broad_id, nodes.node_id) as broad_id
    from identity_graph
    inner join nodes
        on identity_graph.source = nodes.source and identity_graph.record_id = nodes.record_id
    left join clusters on nodes.node_id = clusters.node_id
),

levels as (
    select
        source,
        record_id,
        min(record_key) over (partition by strict_id) as strict_group_id,
        customer_id,
        min(record_key) over (partition by broad_id) as broad_group_id
    from labelled
)

select * from levels
