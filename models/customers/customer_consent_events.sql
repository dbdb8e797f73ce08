with

consents as (
    {{ union_sources('consents') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_consent_events as (
    select
        md5(concat_ws(
            '|',
            consents.source,
            consents.record_id,
            consents.purpose,
            consents.channel,
            cast(consents.captured_at as string)
        )) as consent_event_id,
        identity_graph.customer_id,
        consents.purpose,
        consents.channel,
        consents.status,
        consents.legal_basis,
        consents.source,
        consents.record_id,
        consents.captured_at
    from consents
    inner join identity_graph
        on consents.source = identity_graph.source and consents.record_id = identity_graph.record_id
)

select * from customer_consent_events
