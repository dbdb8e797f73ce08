with

opportunity_versions as (
    select * from {{ ref('stg_tryton__opportunity_versions') }}
),

-- what is a lead, or has become one again, is no deal
deals_now as (
    select opportunity_id
    from opportunity_versions
    where is_latest and state <> 'lead'
),

deals as (
    select
        'tryton' as source,
        opportunity_versions.opportunity_id as deal_id,
        opportunity_versions.record_id,
        opportunity_versions.company_id,
        opportunity_versions.opportunity_name as name,
        opportunity_versions.state as stage,
        opportunity_versions.amount,
        opportunity_versions.currency,
        opportunity_versions.probability,
        opportunity_versions.end_date as expected_close_date,
        -- since when it is more than a lead
        min(opportunity_versions.seen_from) over (
            partition by opportunity_versions.opportunity_id
        ) as created_at,
        opportunity_versions.seen_from,
        opportunity_versions.appearance
    from opportunity_versions
    inner join deals_now on opportunity_versions.opportunity_id = deals_now.opportunity_id
    where opportunity_versions.state <> 'lead'
)

select * from deals
