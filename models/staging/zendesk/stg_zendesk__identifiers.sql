with

-- agents are colleagues, not customers
end_users as (
    select * from {{ ref('stg_zendesk__user_versions') }}
    where is_end_user
),

identifiers as (
    {{ identifier_rows('zendesk', 'end_users', [
        ['zendesk_user_id', 'user_id'],
        ['email', 'email'],
        ['phone', 'phone'],
    ]) }}
)

select * from identifiers
