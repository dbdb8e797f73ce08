{{ config(materialized='incremental', unique_key='node_id', incremental_strategy='merge') }}

with

nodes as (
    {{ dirty_nodes('(select coalesce(max(solved_in), 0) from ' ~ this ~ ')' if is_incremental() else none) }}
),

links as (
    select
        evidence.evidence_id,
        evidence.left_id,
        evidence.right_id,
        evidence.tier,
        evidence.level,
        evidence.weight
    from {{ ref('int_identity__evidence') }} as evidence
    inner join nodes on evidence.left_id = nodes.node_id
    left join {{ ref('int_identity__refusals') }} as refusals
        on evidence.evidence_id = refusals.evidence_id
    where
        evidence.kind = 'link'
        and evidence.is_current
        and evidence.level < 3
        and refusals.reason is null
),

{% for level in ['strict', 'default', 'broad'] -%}
solved_{{ level }} as (
    select {{ explode_list(solved_components(collect_values('left_id'), collect_values('right_id'))) }} as solved
    from links
    where level <= {{ loop.index0 }}
),

{% endfor -%}
strongest_first as (
    select
        {{ collect_values('left_id', evidence_order('links')) }} as lefts,
        {{ collect_values('right_id', evidence_order('links')) }} as rights,
        {{ collect_values('weight', evidence_order('links')) }} as weights
    from links
    where level <= 1
),

forest as (
    {{ explode_lists({
        'left_id': 'lefts', 'weight': 'weights', 'is_kept': spanning_forest('lefts', 'rights'),
    }, 'strongest_first') }}
),

-- without its weakest bridge a person would be two
bridges as (
    select
        solved_default.solved.component_id as default_id,
        min(forest.weight) as weakest_weight
    from forest
    inner join solved_default on forest.left_id = solved_default.solved.node_id
    where forest.is_kept
    group by solved_default.solved.component_id
),

clusters as (
    select
        nodes.node_id,
        -- a record that nothing ties is alone
        coalesce(solved_strict.solved.component_id, nodes.node_id) as strict_id,
        coalesce(solved_default.solved.component_id, nodes.node_id) as default_id,
        coalesce(solved_broad.solved.component_id, nodes.node_id) as broad_id,
        bridges.weakest_weight,
        (select max(batches.changed_in) from {{ ref('int_identity__evidence') }} as batches) as solved_in
    from nodes
    left join solved_strict on nodes.node_id = solved_strict.solved.node_id
    left join solved_default on nodes.node_id = solved_default.solved.node_id
    left join bridges on solved_default.solved.component_id = bridges.default_id
    left join solved_broad on nodes.node_id = solved_broad.solved.node_id
)

select * from clusters
