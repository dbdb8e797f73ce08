with

potential_versions as (
    select * from {{ ref('stg_vtiger__potential_versions') }}
),

accounts as (
    select * from {{ ref('stg_vtiger__accounts') }}
),

deals as (
    select
        'vtiger' as source,
        potential_versions.potential_id as deal_id,
        'contacts:' || potential_versions.contact_id as record_id,
        accounts.company_domain,
        potential_versions.potential_name as name,
        potential_versions.sales_stage as stage,
        potential_versions.amount,
        potential_versions.currency,
        cast(potential_versions.probability_percent / 100 as double) as probability,
        potential_versions.closing_date as expected_close_date,
        potential_versions.created_at,
        coalesce(potential_versions.seen_from, potential_versions.changed_at) as seen_from,
        potential_versions.appearance
    from potential_versions
    left join accounts on potential_versions.account_id = accounts.account_id
)

select * from deals
