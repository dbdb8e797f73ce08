with

appearances as (
    {{ latest_appearances('salesforce', 'accounts', key='id', changed_at='system_modstamp') }}
),

countries as (
    select * from {{ ref('countries') }}
),

account_records as (
    select
        -- ids
        appearances.id as account_id,
        -- strings
        {{ text_or_null('appearances.name') }} as account_name,
        {{ text_or_null(
            "regexp_extract(lower(trim(appearances.website)), '^(https?://)?(www[.])?([^/:?]+)', 3)"
        ) }} as company_domain,
        {{ text_or_null('appearances.industry') }} as industry,
        coalesce(upper({{ text_or_null('appearances.billing_country_code') }}), countries.country_code) as country_code,
        case
            when {{ text_or_null('appearances.master_record_id') }} is not null then 'merged'
            when lower(appearances.is_deleted) = 'true' then 'archived'
            when lower(appearances.is_person_account) = 'true' then 'person_account'
            else 'staged'
        end as record_class,
        -- numerics
        try_cast(appearances.number_of_employees as integer) as employee_count,
        -- timestamps
        {{ utc_timestamp('appearances.system_modstamp') }} as updated_at
    from appearances
    left join countries on lower(trim(appearances.billing_country)) = countries.name
)

select * from account_records
