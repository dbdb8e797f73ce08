with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

quarantined as (
    select * from {{ ref('identity_quarantine') }}
),

policy as (
    select * from {{ ref('identity_policy') }}
),

nodes as (
    select * from {{ ref('int_identity__nodes') }}
),

trusted as (
    select
        nodes.node_id,
        identifiers.*,
        count(*) over (partition by identifiers.identifier_type, identifiers.identifier_value) as record_count
    from identifiers
    inner join nodes on identifiers.source = nodes.source and identifiers.record_id = nodes.record_id
    left join quarantined
        on
            identifiers.identifier_type = quarantined.identifier_type
            and identifiers.identifier_value = quarantined.identifier_value
    where quarantined.identifier_value is null
),

-- the records of one value form a chain in order of time: n - 1 links for n records, not n * (n - 1) / 2, and where a
-- value went from one person to another there is one link to refuse
chained as (
    select
        *,
        lag(node_id) over chain as previous_node_id,
        max(last_seen_at) over (
            partition by identifier_type, identifier_value
            order by first_seen_at, source, record_id
            rows between unbounded preceding and 1 preceding
        ) as last_seen_before
    from trusted
    where record_count > 1
    window chain as (
        partition by identifier_type, identifier_value
        order by first_seen_at, source, record_id
    )
),

shared_identifiers as (
    select
        chained.previous_node_id,
        chained.node_id,
        chained.identifier_type,
        md5(chained.identifier_type || ':' || chained.identifier_value) as value_hash,
        policy.tier,
        policy.level,
        -- a value that many records carry says less about any two of them
        policy.weight - ln(chained.record_count / 2.0) / ln(2.0) as weight,
        chained.first_seen_at,
        chained.last_seen_at
    from chained
    inner join policy on chained.identifier_type = policy.identifier_type
    where
        chained.previous_node_id is not null
        -- a value that lay idle for longer may have a new owner
        and (
            policy.window_days is null
            or chained.first_seen_at <= {{ add_days('chained.last_seen_before', 'policy.window_days') }}
        )
)

select * from shared_identifiers
