with

refunds as (
    select * from {{ ref('int_customers__refunds') }}
),

identity_graph as (
    select * from {{ ref('identity_graph') }}
),

customer_refunds as (
    select
        refunds.refund_id,
        refunds.order_id,
        identity_graph.customer_id,
        refunds.source,
        refunds.record_id,
        refunds.channel,
        refunds.reason,
        refunds.amount,
        refunds.currency,
        refunds.amount_eur,
        refunds.refunded_at
    from refunds
    inner join identity_graph
        on refunds.source = identity_graph.source and refunds.record_id = identity_graph.record_id
)

select * from customer_refunds
