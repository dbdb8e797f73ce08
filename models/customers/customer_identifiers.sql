with

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

quarantine as (
    select * from {{ ref('identity_quarantine') }}
),

held as (
    select
        identity_graph.customer_id,
        identifiers.identifier_type,
        identifiers.identifier_value,
        cast(count(*) as integer) as record_count,
        cast(count(distinct identifiers.source) as integer) as source_count,
        min(identifiers.first_seen_at) as first_seen_at,
        max(identifiers.last_seen_at) as last_seen_at
    from identifiers
    inner join identity_graph
        on identifiers.source = identity_graph.source and identifiers.record_id = identity_graph.record_id
    group by identity_graph.customer_id, identifiers.identifier_type, identifiers.identifier_value
),

customer_identifiers as (
    select
        held.customer_id,
        held.identifier_type,
        held.identifier_value,
        held.record_count,
        held.source_count,
        quarantine.identifier_value is not null as is_quarantined,
        quarantine.reason as quarantine_reason,
        held.first_seen_at,
        held.last_seen_at
    from held
    left join quarantine
        on held.identifier_type = quarantine.identifier_type and held.identifier_value = quarantine.identifier_value
)

select * from customer_identifiers
