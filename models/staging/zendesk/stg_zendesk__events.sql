with

end_users as (
    select * from {{ ref('stg_zendesk__users') }}
    where is_end_user
),

tickets as (
    select * from {{ ref('stg_zendesk__tickets') }}
),

comments as (
    select * from {{ ref('stg_zendesk__comments') }}
),

satisfaction_ratings as (
    select * from {{ ref('stg_zendesk__satisfaction_ratings') }}
),

tickets_opened as (
    select
        {{ event_columns('zendesk', {
            'event_id': "'tickets:' || ticket_id",
            'record_id': "'users:' || requester_id",
            'event_type': "'ticket_opened'",
            'channel': "'support'",
            'occurred_at': 'created_at',
            'received_at': 'created_at',
            'ticket_id': 'ticket_id',
            'detail': "coalesce(priority, ticket_type)",
        }) }}
    from tickets
    where requester_id is not null and created_at is not null
),

-- what a colleague answers is not something the customer did
tickets_commented as (
    select
        {{ event_columns('zendesk', {
            'event_id': "'comments:' || comments.comment_id",
            'record_id': "'users:' || comments.author_id",
            'event_type': "'ticket_commented'",
            'channel': "'support'",
            'occurred_at': 'comments.created_at',
            'received_at': 'comments.created_at',
            'ticket_id': 'comments.ticket_id',
        }) }}
    from comments
    inner join end_users on comments.author_id = end_users.user_id
),

tickets_rated as (
    select
        {{ event_columns('zendesk', {
            'event_id': "'satisfaction_ratings:' || rating_id",
            'record_id': "'users:' || requester_id",
            'event_type': "'ticket_rated'",
            'channel': "'support'",
            'occurred_at': 'coalesce(created_at, updated_at)',
            'received_at': 'updated_at',
            'ticket_id': 'ticket_id',
            'detail': 'score',
        }) }}
    from satisfaction_ratings
    where requester_id is not null
),

events as (
    select * from tickets_opened
    union all
    select * from tickets_commented
    union all
    select * from tickets_rated
)

select * from events
