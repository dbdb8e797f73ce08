with

expected_value as (
    select * from {{ ref('expected_value') }}
),

churn as (
    select * from {{ ref('churn') }}
),

customers as (
    select
        coalesce(expected_value.customer_id, churn.customer_id) as customer_id,
        expected_value.expected_orders_12_months,
        expected_value.expected_value_12_months_eur,
        churn.churn_probability
    from expected_value
    full outer join churn on expected_value.customer_id = churn.customer_id
)

select * from customers
