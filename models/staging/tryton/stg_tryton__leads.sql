with

opportunity_versions as (
    select * from {{ ref('stg_tryton__opportunity_versions') }}
),

-- who was ever seen as a lead
leads_seen as (
    select distinct opportunity_id
    from opportunity_versions
    where state = 'lead'
),

leads as (
    select
        'tryton' as source,
        opportunity_versions.opportunity_id as lead_id,
        opportunity_versions.record_id,
        opportunity_versions.state as status,
        cast(null as string) as lead_source,
        opportunity_versions.state in ('opportunity', 'converted', 'won') as is_converted,
        opportunity_versions.created_at,
        opportunity_versions.changed_at as updated_at
    from opportunity_versions
    inner join leads_seen on opportunity_versions.opportunity_id = leads_seen.opportunity_id
    where opportunity_versions.is_latest
)

select * from leads
