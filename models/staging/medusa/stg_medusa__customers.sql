with

customer_versions as (
    select * from {{ ref('stg_medusa__customer_versions') }}
),

customers as (
    select
        -- ids
        medusa_customer_id,
        -- strings
        email,
        phone,
        first_name,
        last_name,
        company_name,
        street,
        city,
        postal_code,
        country_code,
        -- booleans
        has_account,
        -- timestamps
        created_at,
        changed_at as updated_at
    from customer_versions
    where is_latest
)

select * from customers
