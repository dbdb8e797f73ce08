{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('rt', 'users', key='id', changed_at='last_updated', created_at='created') }}
),

countries as (
    select * from {{ ref('countries') }}
),

user_versions as (
    select
        -- ids
        appearances.id as user_id,
        'users:' || appearances.id as record_id,
        -- strings
        {{ text_or_null('appearances.real_name') }} as full_name,
        {{ text_or_null('appearances.email_address') }} as email,
        {{ text_or_null('appearances.mobile_phone') }} as mobile,
        {{ text_or_null('appearances.home_phone') }} as home_phone,
        {{ text_or_null('appearances.work_phone') }} as work_phone,
        {{ text_or_null('appearances.address1') }} as street,
        {{ text_or_null('appearances.city') }} as city,
        {{ text_or_null('appearances.zip') }} as postal_code,
        countries.country_code,
        {{ text_or_null("lower(split_part(replace(appearances.lang, '_', '-'), '-', 1))") }} as language,
        {{ text_or_null('appearances.organization') }} as company_name,
        -- booleans: a colleague is one with all appearances, also those from before they became one
        not bool_or(
            appearances.is_latest and (appearances.privileged = '1' or appearances.name in ('RT_System', 'Nobody'))
        ) over (partition by appearances.id) as is_end_user,
        appearances.is_latest,
        -- timestamps
        {{ utc_timestamp('appearances.created') }} as created_at,
        appearances.changed_at,
        appearances.seen_from
    from appearances
    left join countries on lower(trim(appearances.country)) = countries.name
)

select * from user_versions
