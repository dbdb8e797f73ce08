with

-- what a colleague asks, answers or rates is not something a customer did
agents as (
    select * from {{ ref('stg_zendesk__users') }}
    where not is_end_user
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
            'event_id': "'tickets:' || tickets.ticket_id",
            'record_id': 'tickets.record_id',
            'event_type': "'ticket_opened'",
            'channel': "'support'",
            'occurred_at': 'tickets.opened_at',
            'received_at': 'tickets.opened_at',
            'ticket_id': 'tickets.ticket_id',
            'detail': 'coalesce(tickets.priority, tickets.ticket_type)',
        }) }}
    from tickets
    where tickets.record_id is not null and tickets.opened_at is not null
),

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
    left join agents on comments.author_id = agents.user_id
    where agents.user_id is null and comments.author_id is not null
),

tickets_rated as (
    select
        {{ event_columns('zendesk', {
            'event_id': "'satisfaction_ratings:' || ratings.rating_id",
            'record_id': "'users:' || ratings.requester_id",
            'event_type': "'ticket_rated'",
            'channel': "'support'",
            'occurred_at': 'coalesce(ratings.created_at, ratings.updated_at)',
            'received_at': 'ratings.updated_at',
            'ticket_id': 'ratings.ticket_id',
            'detail': 'ratings.score',
        }) }}
    from satisfaction_ratings as ratings
    left join agents on ratings.requester_id = agents.user_id
    where agents.user_id is null and ratings.requester_id is not null
),

events as (
    select * from tickets_opened
    union all
    select * from tickets_commented
    union all
    select * from tickets_rated
)

select * from events
