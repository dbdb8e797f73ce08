with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

policy as (
    select * from {{ ref('identity_policy') }}
),

quarantined as (
    select * from {{ ref('identity_quarantine') }}
),

claims as (
    select
        nodes.node_id,
        identifiers.identifier_type as rule,
        md5(identifiers.identifier_type || ':' || identifiers.identifier_value) as value_hash,
        policy.tier,
        policy.max_per_person as most,
        identifiers.first_seen_at,
        identifiers.last_seen_at
    from identifiers
    inner join nodes on identifiers.source = nodes.source and identifiers.record_id = nodes.record_id
    inner join policy on identifiers.identifier_type = policy.identifier_type
    left join quarantined
        on
            identifiers.identifier_type = quarantined.identifier_type
            and identifiers.identifier_value = quarantined.identifier_value
    where
        policy.max_per_person is not null
        -- a value that identifies nobody can be too many for nobody
        and quarantined.identifier_value is null
)

select * from claims
