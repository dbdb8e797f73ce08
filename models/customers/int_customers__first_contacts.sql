with

identity_graph as (
    select * from {{ ref('identity_graph') }}
    where since <= {{ as_of() }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
    where identifier_type in ('email', 'phone') and first_seen_at <= {{ as_of() }}
),

-- nobody is reached at test@test.com; a family's mailbox is shared, and read
blocked as (
    select * from {{ ref('identity_quarantine') }}
    where reason = 'blocked'
),

reachable as (
    select
        identity_graph.customer_id,
        min(identifiers.first_seen_at) as identified_at
    from identifiers
    inner join identity_graph
        on identifiers.source = identity_graph.source and identifiers.record_id = identity_graph.record_id
    left join blocked
        on
            identifiers.identifier_type = blocked.identifier_type
            and identifiers.identifier_value = blocked.identifier_value
    where blocked.identifier_value is null
    group by identity_graph.customer_id
),

seen as (
    select
        customer_id,
        min(since) as first_seen_at
    from identity_graph
    group by customer_id
),

first_contacts as (
    select
        seen.customer_id,
        seen.first_seen_at,
        reachable.identified_at
    from seen
    left join reachable on seen.customer_id = reachable.customer_id
)

select * from first_contacts
