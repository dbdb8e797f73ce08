-- a Python model cannot promise its columns: this one holds the contract of what it said
with

churn as (
    select
        customer_id,
        as_of_date,
        model_version,
        churn_probability
    from {{ ref('int_predictions__churn_scores') }}
)

select * from churn
