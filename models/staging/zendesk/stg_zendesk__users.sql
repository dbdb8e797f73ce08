with

user_versions as (
    select * from {{ ref('stg_zendesk__user_versions') }}
),

users as (
    select
        -- ids
        user_id,
        external_id,
        -- strings
        full_name,
        email,
        phone,
        role,
        language,
        time_zone,
        -- booleans
        is_end_user,
        -- timestamps
        created_at,
        changed_at as updated_at
    from user_versions
    where is_latest
)

select * from users
