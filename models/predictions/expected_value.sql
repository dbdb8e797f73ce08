with

scores as (
    select * from {{ ref('int_predictions__expected_value_scores') }}
),

expected_value as (
    select
        customer_id,
        as_of_date,
        model_version,
        expected_orders_12_months,
        cast(round(expected_order_value_eur, 2) as decimal(18, 2)) as expected_order_value_eur,
        cast(round(expected_value_12_months_eur, 2) as decimal(18, 2)) as expected_value_12_months_eur
    from scores
)

select * from expected_value
