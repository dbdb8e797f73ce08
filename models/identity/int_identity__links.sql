with

shared_identifiers as (
    select * from {{ ref('int_identity__shared_identifiers') }}
),

likenesses as (
    select * from {{ ref('int_identity__likenesses') }}
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
        left_id,
        right_id,
        'likeness' as rule,
        cast(null as {{ dbt.type_string() }}) as value_hash,
        3 as tier,
        case
            when is_relative then 2
            when match_weight >= {{ var('identity_levels')['strict'] }} then 0
            when match_weight >= {{ var('identity_levels')['default'] }} then 1
            else 2
        end as level,
        match_weight as weight,
        detail,
        model_version,
        first_seen_at,
        last_seen_at
    from likenesses
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
