{#- The row `(solved)` keeps the batch up to which evidence has been looked at. -#}
{{ config(materialized='incremental', unique_key='evidence_id', incremental_strategy='merge') }}

{#- Evidence is the largest table, 33 million rows for a million people: a CTE that is read twice is kept in memory. -#}
{%- set links -%}
    (
        select
            evidence.evidence_id,
            evidence.left_id,
            evidence.right_id,
            evidence.rule,
            evidence.tier,
            evidence.level,
            evidence.weight,
            nodes.component_id
        from {{ ref('int_identity__evidence') }} as evidence
        inner join nodes on evidence.left_id = nodes.node_id
        -- what counts at no level speaks for or against its neighbours, and joins no components
        inner join nodes as right_nodes on evidence.right_id = right_nodes.node_id
        where
            evidence.kind = 'link'
            and evidence.is_current
            -- an equation could be joined by first: all pairs of a component, which may have a million records
            and nodes.component_id - right_nodes.component_id = 0
    )
{%- endset %}

with

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

{% endif -%}
nodes as (
    {{ dirty_nodes('(select coalesce(max(solved_in), 0) from ' ~ this ~ ')' if is_incremental() else none) }}
),

claims as (
    select
        evidence.evidence_id,
        evidence.left_id,
        evidence.rule,
        evidence.value_hash,
        evidence.most,
        nodes.component_id
    from {{ ref('int_identity__evidence') }} as evidence
    inner join nodes on evidence.left_id = nodes.node_id
    where evidence.kind = 'claim' and evidence.is_current
),

aparts as (
    select
        evidence.evidence_id,
        evidence.left_id,
        evidence.right_id,
        left_nodes.component_id
    from {{ ref('int_identity__evidence') }} as evidence
    inner join nodes as left_nodes on evidence.left_id = left_nodes.node_id
    inner join nodes as right_nodes on evidence.right_id = right_nodes.node_id
    where
        evidence.kind = 'apart'
        and evidence.is_current
        and left_nodes.component_id - right_nodes.component_id = 0
),

-- a component in which nothing can be refused is not walked through
suspicious as (
    select component_id
    from claims
    group by component_id, rule
    having count(distinct value_hash) > max(most)
    union
    select component_id from aparts
    union
    select component_id
    from {{ links }} as links
    group by component_id
    having
        max(case when rule = 'likeness' and level > 0 then 1 else 0 end) = 1
        and count(*) >= 3
),

-- the functions settle ties by the order of the nodes: here that of the records' hashes, not of their arrival
places as (
    select
        nodes.node_id,
        row_number() over (order by known_nodes.record_key) as place
    from nodes
    inner join suspicious on nodes.component_id = suspicious.component_id
    inner join {{ ref('int_identity__nodes') }} as known_nodes on nodes.node_id = known_nodes.node_id
),

-- likeness that is beyond doubt needs no support from its neighbours: of 2,473 such links that a test of triangles
-- would have cut on the demo company 99 % were right, of the 10,296 weaker ones 14 %
links_by_bucket as (
    select
        mod(links.component_id, {{ var('identity_graph_buckets') }}) as bucket,
        {{ collect_structs({
            'edge_id': 'links.evidence_id',
            'left_id': 'left_places.place',
            'right_id': 'right_places.place',
            'weight': 'links.weight',
            'is_probabilistic': "links.rule = 'likeness' and links.level > 0",
            'is_decided': "links.rule = 'must_link'",
        }, evidence_order('links')) }} as links
    from {{ links }} as links
    inner join places as left_places on links.left_id = left_places.node_id
    inner join places as right_places on links.right_id = right_places.node_id
    group by mod(links.component_id, {{ var('identity_graph_buckets') }})
),

claims_by_bucket as (
    select
        mod(claims.component_id, {{ var('identity_graph_buckets') }}) as bucket,
        {{ collect_structs({
            'node_id': 'places.place',
            'claim_type': 'claims.rule',
            'value_hash': 'claims.value_hash',
            'most': 'claims.most',
        }, 'claims.evidence_id') }} as claims
    from claims
    inner join places on claims.left_id = places.node_id
    group by mod(claims.component_id, {{ var('identity_graph_buckets') }})
),

aparts_by_bucket as (
    select
        mod(aparts.component_id, {{ var('identity_graph_buckets') }}) as bucket,
        {{ collect_structs({
            'left_id': 'left_places.place', 'right_id': 'right_places.place',
        }, 'aparts.evidence_id') }} as aparts
    from aparts
    inner join places as left_places on aparts.left_id = left_places.node_id
    inner join places as right_places on aparts.right_id = right_places.node_id
    group by mod(aparts.component_id, {{ var('identity_graph_buckets') }})
),

judged as (
    select
        {{ explode_list(refused_evidence(
            'links_by_bucket.links', 'claims_by_bucket.claims', 'aparts_by_bucket.aparts', 'likeness_model.largest_component'
        )) }} as refusal
    from links_by_bucket
    cross join {{ ref('int_identity__likeness_model') }} as likeness_model
    left join claims_by_bucket on links_by_bucket.bucket = claims_by_bucket.bucket
    left join aparts_by_bucket on links_by_bucket.bucket = aparts_by_bucket.bucket
),

refused as (
    select
        refusal.edge_id as evidence_id,
        refusal.reason
    from judged
),

{% if is_incremental() -%}
-- refused before, and not any more
released as (
    select
        known.evidence_id,
        cast(null as {{ dbt.type_string() }}) as reason
    from known
    inner join {{ ref('int_identity__evidence') }} as evidence on known.evidence_id = evidence.evidence_id
    left join nodes on evidence.left_id = nodes.node_id
    left join refused on known.evidence_id = refused.evidence_id
    where
        known.reason is not null
        and refused.evidence_id is null
        and (nodes.node_id is not null or not evidence.is_current)
),

{% endif -%}
refusals as (
    select
        evidence_id,
        reason
    from refused
    {%- if is_incremental() %}
    union all
    select evidence_id, reason from released
    {%- endif %}
    union all
    select
        '(solved)' as evidence_id,
        cast(null as {{ dbt.type_string() }}) as reason
)

select
    refusals.evidence_id,
    refusals.reason,
    (select coalesce(max(evidence.changed_in), 0) from {{ ref('int_identity__evidence') }} as evidence) as solved_in
from refusals
