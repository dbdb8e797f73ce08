with

tickets as (
    {{ union_sources('tickets') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_tickets as (
    select
        tickets.source || ':' || tickets.ticket_id as ticket_id,
        identity_graph.customer_id,
        tickets.source,
        tickets.record_id,
        tickets.subject,
        tickets.description as body,
        tickets.ticket_type,
        tickets.status,
        tickets.priority,
        tickets.channel,
        tickets.comment_count,
        tickets.satisfaction_score,
        tickets.status not in ('solved', 'closed') as is_open,
        tickets.opened_at,
        tickets.first_replied_at,
        tickets.solved_at,
        tickets.updated_at
    from tickets
    inner join identity_graph
        on tickets.source = identity_graph.source and tickets.record_id = identity_graph.record_id
)

select * from customer_tickets
