with

-- agents are colleagues, not customers
end_users as (
    select * from {{ ref('stg_zendesk__user_versions') }}
    where is_end_user
),

-- a ticket can arrive before its user, or without it
active_users as (
    select
        substr(record_id, length('users:') + 1) as user_id,
        record_id,
        cast(null as string) as country_code,
        occurred_at as seen_from,
        occurred_at as changed_at
    from {{ ref('stg_zendesk__events') }}
),

identifiers as (
    {{ identifier_rows('zendesk', {
        'end_users': [
            ['zendesk_user_id', 'user_id'],
            ['email', 'email'],
            ['phone', 'phone'],
        ],
        'active_users': [
            ['zendesk_user_id', 'user_id'],
        ],
    }) }}
)

select * from identifiers
