{{ config(materialized='table') }}

with

appearances as (
    {{ all_appearances('zendesk', 'users', key='id', changed_at='updated_at', created_at='created_at') }}
),

user_versions as (
    select
        -- ids
        id as user_id,
        'users:' || id as record_id,
        {{ text_or_null('external_id') }} as external_id,
        -- strings
        {{ text_or_null('name') }} as full_name,
        {{ text_or_null('email') }} as email,
        {{ text_or_null('phone') }} as phone,
        lower({{ text_or_null('role') }}) as role,
        {{ text_or_null("lower(split_part(replace(locale, '_', '-'), '-', 1))") }} as language,
        {{ text_or_null('time_zone') }} as time_zone,
        cast(null as string) as country_code,
        -- booleans: whoever is not an agent or an administrator asks for help
        coalesce(lower({{ text_or_null('role') }}), 'end-user') = 'end-user' as is_end_user,
        is_latest,
        -- timestamps
        {{ utc_timestamp('created_at') }} as created_at,
        changed_at,
        seen_from
    from appearances
)

select * from user_versions
