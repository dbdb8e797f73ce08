with

-- agents are colleagues, not customers
end_users as (
    select * from {{ ref('stg_rt__user_versions') }}
    where is_end_user
),

-- a ticket can arrive before its user
active_users as (
    select
        substr(record_id, length('users:') + 1) as user_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_rt__events') }}
),

identifiers as (
    {{ identifier_rows('rt', {
        'end_users': [
            ['rt_user_id', 'user_id'],
            ['email', 'email'],
            ['phone', 'mobile'],
            ['phone', 'home_phone'],
            ['phone', 'work_phone'],
        ],
        'active_users': [
            ['rt_user_id', 'user_id'],
        ],
    }) }}
)

select * from identifiers
