{#- No guard on changes: a cart is forgotten in 7 days, so the whole audience may turn over between two runs. -#}
{{ config(meta={'sync': {
    'destination': 'file',
    'object': 'cart_abandoned',
    'key': 'email',
    'mode': 'mirror',
    'purpose': 'marketing',
    'channel': 'email',
    'owner': 'growth@example.com',
    'max_change_share': 1.0,
    'priority': '_revenue_eur',
}}) }}

select
    customers.customer_id,
    customers.email,
    customers.first_name,
    customers.language,
    customers.lifecycle_stage,
    customers.revenue_eur as _revenue_eur
from {{ ref('cart_abandoned_4_hours') }} as segment
inner join {{ ref('customers') }} as customers on segment.customer_id = customers.customer_id
