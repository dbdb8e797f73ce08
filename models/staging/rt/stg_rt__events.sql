with

-- what a colleague asks or answers is not something a customer did
colleagues as (
    select * from {{ ref('stg_rt__users') }}
    where not is_end_user
),

tickets as (
    select * from {{ ref('stg_rt__tickets') }}
),

messages as (
    select * from {{ ref('stg_rt__transactions') }}
    where record_class = 'staged'
),

tickets_opened as (
    select
        {{ event_columns('rt', {
            'event_id': "'tickets:' || tickets.ticket_id",
            'record_id': 'tickets.record_id',
            'event_type': "'ticket_opened'",
            'channel': "'support'",
            'occurred_at': 'tickets.opened_at',
            'received_at': 'tickets.opened_at',
            'ticket_id': 'tickets.ticket_id',
            'detail': 'tickets.priority',
        }) }}
    from tickets
    where tickets.record_id is not null and tickets.opened_at is not null
),

tickets_commented as (
    select
        {{ event_columns('rt', {
            'event_id': "'transactions:' || messages.transaction_id",
            'record_id': "'users:' || messages.author_id",
            'event_type': "'ticket_commented'",
            'channel': "'support'",
            'occurred_at': 'messages.created_at',
            'received_at': 'messages.created_at',
            'ticket_id': 'messages.ticket_id',
        }) }}
    from messages
    left join colleagues on messages.author_id = colleagues.user_id
    where colleagues.user_id is null and messages.author_id is not null
),

events as (
    select * from tickets_opened
    union all
    select * from tickets_commented
)

select * from events
