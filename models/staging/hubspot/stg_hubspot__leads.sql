with

contact_versions as (
    select * from {{ ref('stg_hubspot__contact_versions') }}
    where record_class = 'staged'
),

-- who has ever been a lead, and since when
stays as (
    select
        contact_id,
        coalesce(min(lead_at), min(seen_from)) as lead_since
    from contact_versions
    where lead_at is not null or lifecycle_stage in ('lead', 'marketingqualifiedlead', 'salesqualifiedlead')
    group by contact_id
),

leads as (
    select
        'hubspot' as source,
        contact_versions.contact_id as lead_id,
        contact_versions.record_id,
        coalesce(contact_versions.lead_status, contact_versions.lifecycle_stage) as status,
        contact_versions.lead_source,
        coalesce(
            contact_versions.lifecycle_stage in ('opportunity', 'customer', 'evangelist'), false
        ) as is_converted,
        stays.lead_since as created_at,
        contact_versions.changed_at as updated_at
    from contact_versions
    inner join stays on contact_versions.contact_id = stays.contact_id
    where contact_versions.is_latest
)

select * from leads
