with

contact_versions as (
    select * from {{ ref('stg_hubspot__contact_versions') }}
),

contacts as (
    select
        -- ids
        contact_id,
        company_id,
        -- strings
        first_name,
        last_name,
        email,
        phone,
        mobile,
        street,
        city,
        postal_code,
        country_code,
        language,
        company_name,
        job_title,
        lead_source,
        lifecycle_stage,
        lead_status,
        -- booleans
        is_email_opt_out,
        -- dates
        birth_date,
        -- timestamps
        lead_at,
        created_at,
        changed_at as updated_at
    from contact_versions
    where is_latest and record_class = 'staged'
)

select * from contacts
