-- a Python model cannot promise its columns: this one holds the contract of what it said
with

campaign_propensity as (
    select
        customer_id,
        channel,
        as_of_date,
        model_version,
        response_probability
    from {{ ref('int_predictions__campaign_propensity_scores') }}
)

select * from campaign_propensity
