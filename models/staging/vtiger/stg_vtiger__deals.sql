with

potential_versions as (
    select * from {{ ref('stg_vtiger__potential_versions') }}
),

deals as (
    select
        'vtiger' as source,
        potential_id as deal_id,
        'contacts:' || contact_id as record_id,
        account_id as company_id,
        potential_name as name,
        sales_stage as stage,
        amount,
        currency,
        cast(probability_percent / 100 as double) as probability,
        closing_date as expected_close_date,
        created_at,
        coalesce(seen_from, changed_at) as seen_from,
        appearance
    from potential_versions
)

select * from deals
