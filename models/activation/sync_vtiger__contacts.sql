{{ config(meta={'sync': {
    'destination': 'vtiger',
    'object': 'Contacts',
    'key': 'email',
    'mode': 'upsert',
    'purpose': 'marketing',
    'channel': 'email',
    'owner': 'crm@example.com',
    'max_change_share': 0.3,
    'priority': '_revenue_eur',
}}) }}

with

customers as (
    select * from {{ ref('customers') }}
    where email is not null
),

current_segments as (
    select
        customer_id,
        {{ string_list('segment') }} as segments
    from {{ ref('segment_memberships') }}
    where left_at is null
    group by customer_id
),

contacts as (
    select
        customers.customer_id,
        customers.email,
        customers.first_name as firstname,
        coalesce(customers.last_name, customers.email) as lastname,
        customers.lifecycle_stage as cf_kinship_stage,
        customers.order_count as cf_kinship_orders,
        customers.revenue_eur as cf_kinship_revenue,
        current_segments.segments as cf_kinship_segments,
        customers.revenue_eur as _revenue_eur
    from customers
    inner join current_segments on customers.customer_id = current_segments.customer_id
)

select * from contacts
