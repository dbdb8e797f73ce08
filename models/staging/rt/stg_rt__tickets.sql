with

tickets as (
    select * from {{ ref('stg_rt__ticket_records') }}
    where record_class = 'staged'
),

transactions as (
    select * from {{ ref('stg_rt__transactions') }}
),

-- the requester of a ticket may be a colleague: then it is nobody's of ours
colleagues as (
    select * from {{ ref('stg_rt__users') }}
    where not is_end_user
),

listed as (
    select
        ticket_id,
        creator_id,
        {{ explode_list(json_objects('requestors', ['id', 'type'])) }} as requestor
    from tickets
),

-- of several it is the one who wrote first, or else the one whom the desk has known longest
requesters as (
    select
        listed.ticket_id,
        listed.requestor.id as user_id,
        row_number() over (
            partition by listed.ticket_id
            order by
                case when listed.requestor.id = listed.creator_id then 1 else 2 end,
                try_cast(listed.requestor.id as bigint)
        ) as place
    from listed
    left join colleagues on listed.requestor.id = colleagues.user_id
    where listed.requestor.type = 'user' and colleagues.user_id is null
),

messages as (
    select
        transactions.ticket_id,
        cast(count(*) as integer) as comment_count,
        min(transactions.created_at) filter (
            where transactions.transaction_type = 'correspond' and colleagues.user_id is not null
        ) as first_replied_at
    from transactions
    left join colleagues on transactions.author_id = colleagues.user_id
    where transactions.record_class = 'staged'
    group by transactions.ticket_id
),

first_messages as (
    select
        own_ticket_id,
        max(body) as body
    from transactions
    where transaction_type = 'create'
    group by own_ticket_id
),

status_changes as (
    select
        own_ticket_id,
        max(created_at) as changed_at
    from transactions
    where transaction_type = 'status'
    group by own_ticket_id
),

classified as (
    select
        tickets.*,
        -- a desk's own word is a closed one when it was by it that the ticket was resolved
        case
            when tickets.status = 'stalled' then 'pending'
            when tickets.status = 'resolved' then 'solved'
            when tickets.status = 'rejected' then 'closed'
            when tickets.status is null or tickets.status in ('new', 'open') then coalesce(tickets.status, 'new')
            when
                tickets.resolved_at is not null
                and (
                    status_changes.changed_at is null
                    or {{ seconds_between('tickets.resolved_at', 'status_changes.changed_at') }} < 10
                )
                then 'solved'
            else 'open'
        end as general_status
    from tickets
    left join status_changes on tickets.ticket_id = status_changes.own_ticket_id
),

staged as (
    select
        'rt' as source,
        classified.ticket_id,
        'users:' || requesters.user_id as record_id,
        classified.subject,
        first_messages.body as description,
        classified.queue_name as ticket_type,
        classified.general_status as status,
        -- RT's own names for its numbers
        case
            when classified.priority_number >= 100 then 'high'
            when classified.priority_number >= 50 then 'normal'
            when classified.priority_number is not null then 'low'
        end as priority,
        cast(null as string) as channel,
        cast(coalesce(messages.comment_count, 0) as integer) as comment_count,
        cast(null as string) as satisfaction_score,
        coalesce(classified.created_at, classified.updated_at) as opened_at,
        messages.first_replied_at,
        case when classified.general_status in ('solved', 'closed') then classified.resolved_at end as solved_at,
        classified.updated_at
    from classified
    left join requesters on classified.ticket_id = requesters.ticket_id and requesters.place = 1
    left join messages on classified.ticket_id = messages.ticket_id
    left join first_messages on classified.ticket_id = first_messages.own_ticket_id
)

select * from staged
