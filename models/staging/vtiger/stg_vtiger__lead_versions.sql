{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('vtiger', 'leads', key='id', changed_at='modifiedtime', created_at='createdtime') }}
),

countries as (
    select * from {{ ref('countries') }}
),

lead_versions as (
    select
        -- ids
        appearances.id as lead_id,
        'leads:' || appearances.id as record_id,
        -- strings
        {{ text_or_null('appearances.lead_no') }} as lead_number,
        {{ text_or_null('appearances.firstname') }} as first_name,
        {{ text_or_null('appearances.lastname') }} as last_name,
        {{ text_or_null('appearances.email') }} as email,
        {{ text_or_null('appearances.phone') }} as phone,
        {{ text_or_null('appearances.mobile') }} as mobile,
        {{ text_or_null('appearances.company') }} as company_name,
        {{ text_or_null('appearances.leadsource') }} as lead_source,
        {{ text_or_null('appearances.leadstatus') }} as lead_status,
        {{ text_or_null('appearances.city') }} as city,
        countries.country_code,
        -- booleans
        coalesce(appearances.emailoptout, '0') in ('1', 'true') as is_email_opt_out,
        coalesce(appearances.converted, '0') in ('1', 'true') as is_converted,
        appearances.is_latest,
        -- timestamps
        {{ utc_timestamp('appearances.createdtime') }} as created_at,
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join countries on lower(trim(appearances.country)) = countries.name
)

select * from lead_versions
