-- the weights of each model add up to 1 and its revenue to the order's, for every order that counts
with

models as (
    select distinct model from {{ ref('order_attributions') }}
),

shared as (
    select
        order_id,
        model,
        sum(weight) as weight,
        sum(revenue_eur) as revenue_eur
    from {{ ref('order_attributions') }}
    group by order_id, model
)

select
    orders.order_id,
    models.model
from {{ ref('int_customers__counted_orders') }} as orders
cross join models
left join shared on orders.order_id = shared.order_id and models.model = shared.model
where
    shared.order_id is null
    or abs(shared.weight - 1) > 0.000000001
    or shared.revenue_eur is distinct from orders.net_amount_eur
