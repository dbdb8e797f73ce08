with

potential_versions as (
    select * from {{ ref('stg_vtiger__potential_versions') }}
),

potentials as (
    select
        -- ids
        potential_id,
        contact_id,
        account_id,
        -- strings
        potential_number,
        potential_name,
        sales_stage,
        lead_source,
        currency,
        -- numerics
        amount,
        probability_percent,
        -- dates
        closing_date,
        -- timestamps
        created_at,
        changed_at as updated_at
    from potential_versions
    where appearance = 1
)

select * from potentials
