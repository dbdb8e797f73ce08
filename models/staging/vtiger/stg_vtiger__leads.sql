with

lead_versions as (
    select * from {{ ref('stg_vtiger__lead_versions') }}
),

leads as (
    select
        -- ids
        lead_id,
        -- strings
        lead_number,
        first_name,
        last_name,
        email,
        phone,
        mobile,
        company_name,
        lead_source,
        lead_status,
        city,
        country_code,
        -- booleans
        is_email_opt_out,
        is_converted,
        -- timestamps
        created_at,
        changed_at as updated_at
    from lead_versions
    where is_latest
)

select * from leads
