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

trusted as (
    select identifiers.*
    from identifiers
    left join quarantined
        on
            identifiers.identifier_type = quarantined.identifier_type
            and identifiers.identifier_value = quarantined.identifier_value
    where quarantined.identifier_value is null
),

-- every record that carries a value is joined to the first that did: n - 1 edges for n records, not n * (n - 1) / 2
with_hub as (
    select
        trusted.*,
        first_value(source) over (
            partition by identifier_type, identifier_value
            order by first_seen_at, source, record_id
        ) as hub_source,
        first_value(record_id) over (
            partition by identifier_type, identifier_value
            order by first_seen_at, source, record_id
        ) as hub_record_id
    from trusted
),

edges as (
    select
        with_hub.hub_source as left_source,
        with_hub.hub_record_id as left_record_id,
        with_hub.source as right_source,
        with_hub.record_id as right_record_id,
        with_hub.identifier_type as rule,
        md5(with_hub.identifier_value) as value_hash,
        policy.tier,
        with_hub.first_seen_at,
        with_hub.last_seen_at
    from with_hub
    left join policy on with_hub.identifier_type = policy.identifier_type
    where with_hub.source <> with_hub.hub_source or with_hub.record_id <> with_hub.hub_record_id
)

select * from edges
