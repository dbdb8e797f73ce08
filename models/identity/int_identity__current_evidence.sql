{#- Read by one model, once: as a table it would be a copy of many rows. -#}
{{ config(materialized='view') }}

with

links as (
    select * from {{ ref('int_identity__links') }}
),

claims as (
    select * from {{ ref('int_identity__claims') }}
),

overrides as (
    select * from {{ ref('int_identity__overrides') }}
    where action = 'cannot_link'
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

evidence as (
    select
        'link' as kind,
        left_id,
        right_id,
        rule,
        value_hash,
        tier,
        level,
        cast(weight as double) as weight,
        cast(null as integer) as most,
        detail,
        model_version,
        first_seen_at,
        last_seen_at
    from links
    union all
    select
        'claim' as kind,
        node_id as left_id,
        node_id as right_id,
        rule,
        value_hash,
        tier,
        0 as level,
        cast(0 as double) as weight,
        most,
        cast(null as {{ dbt.type_string() }}) as detail,
        cast(null as {{ dbt.type_string() }}) as model_version,
        first_seen_at,
        last_seen_at
    from claims
    union all
    select
        'apart' as kind,
        left_id,
        right_id,
        'cannot_link' as rule,
        cast(null as {{ dbt.type_string() }}) as value_hash,
        0 as tier,
        0 as level,
        cast(0 as double) as weight,
        cast(null as integer) as most,
        reason as detail,
        cast(null as {{ dbt.type_string() }}) as model_version,
        cast(decided_on as timestamp) as first_seen_at,
        cast(decided_on as timestamp) as last_seen_at
    from overrides
),

-- named after the records and the value, not after numbers given out here: the same evidence has the same id everywhere
named as (
    select
        md5(
            evidence.kind || ':' || evidence.rule || ':' || coalesce(evidence.value_hash, '') || ':'
            || least(lefts.record_key, rights.record_key) || ':' || greatest(lefts.record_key, rights.record_key)
        ) as evidence_id,
        evidence.*
    from evidence
    inner join nodes as lefts on evidence.left_id = lefts.node_id
    inner join nodes as rights on evidence.right_id = rights.node_id
)

select * from named
