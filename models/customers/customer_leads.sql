with

leads as (
    {{ union_sources('leads') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_leads as (
    select
        leads.source || ':' || leads.lead_id as lead_id,
        identity_graph.customer_id,
        leads.source,
        leads.record_id,
        leads.status,
        leads.lead_source,
        leads.is_converted,
        leads.created_at,
        leads.updated_at
    from leads
    inner join identity_graph
        on leads.source = identity_graph.source and leads.record_id = identity_graph.record_id
)

select * from customer_leads
