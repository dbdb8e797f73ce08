with

ticket_versions as (
    select * from {{ ref('stg_zendesk__ticket_versions') }}
),

-- the requester of a ticket may be a colleague: then it is nobody's of ours
agents as (
    select * from {{ ref('stg_zendesk__users') }}
    where not is_end_user
),

comments as (
    select
        comments.ticket_id,
        cast(count(*) as integer) as comment_count,
        min(comments.created_at) filter (where comments.is_public and agents.user_id is not null) as first_replied_at
    from {{ ref('stg_zendesk__comments') }} as comments
    left join agents on comments.author_id = agents.user_id
    group by comments.ticket_id
),

ratings as (
    select
        ticket_id,
        score,
        row_number() over (
            partition by ticket_id order by coalesce(updated_at, created_at) desc, rating_id desc
        ) as recency
    from {{ ref('stg_zendesk__satisfaction_ratings') }}
    where score in ('good', 'bad')
),

-- a ticket opened again is not solved: what counts is since when it has stayed so
unsolved as (
    select
        ticket_id,
        min(appearance) as last_unsolved
    from ticket_versions
    where coalesce(status, 'new') not in ('solved', 'closed')
    group by ticket_id
),

solved as (
    select
        ticket_versions.ticket_id,
        min(ticket_versions.changed_at) as solved_at
    from ticket_versions
    left join unsolved on ticket_versions.ticket_id = unsolved.ticket_id
    where
        ticket_versions.status in ('solved', 'closed')
        and (unsolved.last_unsolved is null or ticket_versions.appearance < unsolved.last_unsolved)
    group by ticket_versions.ticket_id
),

tickets as (
    select
        'zendesk' as source,
        ticket_versions.ticket_id,
        case
            when agents.user_id is null then 'users:' || ticket_versions.requester_id
        end as record_id,
        ticket_versions.subject,
        ticket_versions.description,
        ticket_versions.ticket_type,
        coalesce(ticket_versions.status, 'new') as status,
        ticket_versions.priority,
        ticket_versions.via_channel as channel,
        cast(coalesce(comments.comment_count, 0) as integer) as comment_count,
        ratings.score as satisfaction_score,
        coalesce(ticket_versions.created_at, ticket_versions.changed_at) as opened_at,
        comments.first_replied_at,
        solved.solved_at,
        ticket_versions.changed_at as updated_at
    from ticket_versions
    left join agents on ticket_versions.requester_id = agents.user_id
    left join comments on ticket_versions.ticket_id = comments.ticket_id
    left join ratings on ticket_versions.ticket_id = ratings.ticket_id and ratings.recency = 1
    left join solved on ticket_versions.ticket_id = solved.ticket_id
    where ticket_versions.is_latest
)

select * from tickets
