with

contact_versions as (
    select * from {{ ref('stg_vtiger__contact_versions') }}
),

contacts as (
    select
        -- ids
        contact_id,
        account_id,
        loyalty_number,
        assigned_user_id,
        -- strings
        contact_number,
        first_name,
        last_name,
        email,
        secondary_email,
        phone,
        mobile,
        street,
        city,
        postal_code,
        country_code,
        lead_source,
        marketing_consent,
        -- booleans
        is_email_opt_out,
        is_do_not_call,
        -- dates
        birth_date,
        -- timestamps
        marketing_consent_at,
        created_at,
        changed_at as updated_at
    from contact_versions
    where is_latest
)

select * from contacts
