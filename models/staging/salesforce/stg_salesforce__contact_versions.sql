{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('salesforce', 'contacts', key='id', changed_at='system_modstamp', created_at='created_date') }}
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
        {{ text_or_null('appearances.individual_id') }} as individual_id,
        {{ text_or_null('appearances.master_record_id') }} as merged_into_contact_id,
        -- strings
        {{ text_or_null('appearances.first_name') }} as first_name,
        {{ text_or_null('appearances.last_name') }} as last_name,
        {{ text_or_null('appearances.email') }} as email,
        {{ text_or_null('appearances.phone') }} as phone,
        {{ text_or_null('appearances.mobile_phone') }} as mobile,
        {{ text_or_null('appearances.home_phone') }} as home_phone,
        {{ text_or_null("replace(appearances.mailing_street, chr(10), ', ')") }} as street,
        {{ text_or_null('appearances.mailing_city') }} as city,
        {{ text_or_null('appearances.mailing_postal_code') }} as postal_code,
        coalesce(upper({{ text_or_null('appearances.mailing_country_code') }}), countries.country_code) as country_code,
        {{ text_or_null('appearances.title') }} as job_title,
        {{ text_or_null('appearances.lead_source') }} as lead_source,
        -- what has become of the record since
        case
            when
                bool_or(appearances.is_latest and {{ text_or_null('appearances.master_record_id') }} is not null)
                    over (partition by appearances.id)
                then 'merged'
            when
                bool_or(appearances.is_latest and lower(appearances.is_deleted) = 'true')
                    over (partition by appearances.id)
                then 'archived'
            else 'staged'
        end as record_class,
        -- booleans
        coalesce(lower(appearances.has_opted_out_of_email), 'false') = 'true' as is_email_opt_out,
        coalesce(lower(appearances.do_not_call), 'false') = 'true' as is_do_not_call,
        appearances.is_latest,
        -- dates
        try_cast(appearances.birthdate as date) as birth_date,
        -- timestamps
        {{ utc_timestamp('appearances.created_date') }} as created_at,
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join countries on lower(trim(appearances.mailing_country)) = countries.name
)

select * from contact_versions
