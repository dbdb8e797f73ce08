with

consents as (
    {{ union_sources('consents') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

ranked as (
    select
        identity_graph.customer_id,
        consents.*,
        row_number() over (
            partition by consents.source, consents.record_id, consents.purpose, consents.channel
            -- two statements of one moment: the more restrictive one holds
            order by consents.captured_at desc, {{ consent_rank('consents.status') }}
        ) as recency
    from consents
    inner join identity_graph
        on consents.source = identity_graph.source and consents.record_id = identity_graph.record_id
),

-- what each record says today; of a person's records the most restrictive speaks for all
said_by_record as (
    select
        *,
        row_number() over (
            partition by customer_id, purpose, channel
            order by {{ consent_rank('status') }}, captured_at desc, source, record_id
        ) as precedence
    from ranked
    where recency = 1
),

customer_consents as (
    select
        customer_id,
        purpose,
        channel,
        status,
        legal_basis,
        source,
        record_id,
        captured_at
    from said_by_record
    where precedence = 1
)

select * from customer_consents
