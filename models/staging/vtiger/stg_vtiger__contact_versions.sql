{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('vtiger', 'contacts', key='id', changed_at='modifiedtime', created_at='createdtime') }}
),

countries as (
    select * from {{ ref('countries') }}
),

contact_versions as (
    select
        -- ids
        appearances.id as contact_id,
        'contacts:' || appearances.id as record_id,
        {{ text_or_null('appearances.account_id') }} as account_id,
        {{ text_or_null('appearances.cf_loyalty_number') }} as loyalty_number,
        {{ text_or_null('appearances.assigned_user_id') }} as assigned_user_id,
        -- strings
        {{ text_or_null('appearances.contact_no') }} as contact_number,
        {{ text_or_null('appearances.firstname') }} as first_name,
        {{ text_or_null('appearances.lastname') }} as last_name,
        {{ text_or_null('appearances.email') }} as email,
        {{ text_or_null('appearances.secondaryemail') }} as secondary_email,
        {{ text_or_null('appearances.phone') }} as phone,
        {{ text_or_null('appearances.mobile') }} as mobile,
        {{ text_or_null('appearances.mailingstreet') }} as street,
        {{ text_or_null('appearances.mailingcity') }} as city,
        {{ text_or_null('appearances.mailingzip') }} as postal_code,
        countries.country_code,
        {{ text_or_null('appearances.leadsource') }} as lead_source,
        {{ text_or_null('lower(appearances.cf_marketing_consent)') }} as marketing_consent,
        -- booleans
        coalesce(appearances.emailoptout, '0') in ('1', 'true') as is_email_opt_out,
        coalesce(appearances.donotcall, '0') in ('1', 'true') as is_do_not_call,
        appearances.is_latest,
        -- dates
        try_cast(appearances.birthday as date) as birth_date,
        -- timestamps
        {{ utc_timestamp('appearances.cf_consent_date') }} as marketing_consent_at,
        {{ utc_timestamp('appearances.createdtime') }} as created_at,
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join countries on lower(trim(appearances.mailingcountry)) = countries.name
)

select * from contact_versions
