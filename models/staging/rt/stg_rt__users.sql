with

user_versions as (
    select * from {{ ref('stg_rt__user_versions') }}
),

users as (
    select
        -- ids
        user_id,
        record_id,
        -- strings
        full_name,
        email,
        -- booleans
        is_end_user,
        -- timestamps
        created_at,
        changed_at as updated_at
    from user_versions
    where is_latest
)

select * from users
