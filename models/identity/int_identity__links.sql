{#- Read by one model, once: as a table it would be a copy of many rows. -#}
{{ config(materialized='view') }}

with

shared_identifiers as (
    select * from {{ ref('int_identity__shared_identifiers') }}
),

likenesses as (
    select * from {{ ref('int_identity__likenesses') }}
),

rivals as (
    select * from {{ ref('int_identity__rivals') }}
),

overrides as (
    select * from {{ ref('int_identity__overrides') }}
    where action = 'must_link' and left_id <> right_id
),

links as (
    select
        least(previous_node_id, node_id) as left_id,
        greatest(previous_node_id, node_id) as right_id,
        identifier_type as rule,
        value_hash,
        tier,
        case level when 'strict' then 0 when 'default' then 1 else 2 end as level,
        weight,
        cast(null as {{ dbt.type_string() }}) as detail,
        cast(null as {{ dbt.type_string() }}) as model_version,
        first_seen_at,
        last_seen_at
    from shared_identifiers
    union all
    select
        likenesses.left_id,
        likenesses.right_id,
        'likeness' as rule,
        cast(null as {{ dbt.type_string() }}) as value_hash,
        3 as tier,
        case
            -- less likely than not at all, or than to be one of its rivals
            when likenesses.match_weight - coalesce(rivals.rival_bits, 0) < {{ var('identity_levels')['broad'] }} then 3
            when likenesses.is_relative then 2
            when likenesses.match_weight >= {{ var('identity_levels')['strict'] }} then 0
            when likenesses.match_weight >= {{ var('identity_levels')['default'] }} then 1
            else 2
        end as level,
        likenesses.match_weight as weight,
        concat_ws(
            ', ',
            likenesses.detail,
            case
                when rivals.rival_bits >= 0.1
                    then 'rivals -' || cast(round(rivals.rival_bits, 1) as {{ dbt.type_string() }})
            end
        ) as detail,
        likenesses.model_version,
        likenesses.first_seen_at,
        likenesses.last_seen_at
    from likenesses
    left join rivals
        on likenesses.left_id = rivals.left_id and likenesses.right_id = rivals.right_id
    union all
    select
        left_id,
        right_id,
        'must_link' as rule,
        cast(null as {{ dbt.type_string() }}) as value_hash,
        0 as tier,
        0 as level,
        100.0 as weight,
        reason as detail,
        cast(null as {{ dbt.type_string() }}) as model_version,
        cast(decided_on as timestamp) as first_seen_at,
        cast(decided_on as timestamp) as last_seen_at
    from overrides
)

select * from links
