with

lead_versions as (
    select * from {{ ref('stg_vtiger__lead_versions') }}
),

leads as (
    select
        'vtiger' as source,
        lead_id,
        record_id,
        lead_status as status,
        lead_source,
        is_converted,
        created_at,
        changed_at as updated_at
    from lead_versions
    where is_latest
)

select * from leads
