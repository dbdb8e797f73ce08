with

appearances as (
    {{ latest_appearances('vtiger', 'accounts', key='id', changed_at='modifiedtime') }}
),

countries as (
    select * from {{ ref('countries') }}
),

accounts as (
    select
        -- ids
        appearances.id as account_id,
        -- strings
        {{ text_or_null('appearances.account_no') }} as account_number,
        {{ text_or_null('appearances.accountname') }} as account_name,
        {{ text_or_null('appearances.website') }} as website,
        {{ text_or_null(
            "regexp_extract(lower(appearances.website), '^(https?://)?(www[.])?([^/:?]+)', 3)"
        ) }} as company_domain,
        {{ text_or_null('appearances.email1') }} as email,
        {{ text_or_null('appearances.phone') }} as phone,
        {{ text_or_null('appearances.industry') }} as industry,
        {{ text_or_null('appearances.bill_city') }} as city,
        countries.country_code,
        -- timestamps
        {{ utc_timestamp('appearances.createdtime') }} as created_at,
        {{ utc_timestamp('appearances.modifiedtime') }} as updated_at
    from appearances
    left join countries on lower(trim(appearances.bill_country)) = countries.name
)

select * from accounts
