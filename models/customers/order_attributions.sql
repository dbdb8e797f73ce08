{{ config(materialized='table' if target.type == 'spark' else 'view') }}

with

order_attributions as (
    select
        order_id,
        customer_id,
        touchpoint_id,
        model,
        channel,
        campaign,
        weight,
        revenue_eur,
        ordered_at
    from {{ ref('int_customers__rule_attributions') }}
    union all
    select
        order_id,
        customer_id,
        touchpoint_id,
        model,
        channel,
        campaign,
        weight,
        revenue_eur,
        ordered_at
    from {{ ref('int_customers__data_driven_attributions') }}
)

select * from order_attributions
