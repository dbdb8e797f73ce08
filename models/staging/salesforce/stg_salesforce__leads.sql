with

lead_versions as (
    select * from {{ ref('stg_salesforce__lead_versions') }}
),

leads as (
    select
        'salesforce' as source,
        lead_id,
        record_id,
        lead_status as status,
        lead_source,
        is_converted,
        created_at,
        changed_at as updated_at
    from lead_versions
    where is_latest and record_class = 'staged'
)

select * from leads
