with

evidence as (
    select * from {{ ref('int_identity__evidence') }}
    where kind = 'link' and is_current
),

refusals as (
    select * from {{ ref('int_identity__refusals') }}
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

edges as (
    select
        evidence.evidence_id as edge_id,
        lefts.source as left_source,
        lefts.record_id as left_record_id,
        rights.source as right_source,
        rights.record_id as right_record_id,
        evidence.rule,
        evidence.value_hash,
        evidence.tier,
        case evidence.level when 0 then 'strict' when 1 then 'default' when 2 then 'broad' else 'none' end as level,
        evidence.weight,
        refusals.reason is null and evidence.level <= 1 as is_admitted,
        case
            when evidence.level = 3 and evidence.weight >= {{ var('identity_levels')['broad'] }} then 'outmatched'
            when evidence.level = 3 then 'too_weak'
            when refusals.reason is null and evidence.level > 1 then 'too_weak'
            else refusals.reason
        end as refusal,
        evidence.detail,
        evidence.model_version,
        evidence.first_seen_at,
        evidence.last_seen_at
    from evidence
    inner join nodes as lefts on evidence.left_id = lefts.node_id
    inner join nodes as rights on evidence.right_id = rights.node_id
    left join refusals on evidence.evidence_id = refusals.evidence_id
)

select * from edges
