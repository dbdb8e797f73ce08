with

messages as (
    select
        message_id,
        anonymous_id,
        user_id,
        occurred_at
    from {{ ref('stg_segment__messages') }}
    where anonymous_id is not null and user_id is not null and occurred_at is not null
),

visitors as (
    select
        anonymous_id,
        min(user_id) as least_user_id,
        max(user_id) as greatest_user_id,
        min(occurred_at) as logged_in_at,
        max(occurred_at) as last_seen_at
    from messages
    group by anonymous_id
),

-- nearly every browser is one person's: only the messages of the others are put in order
compared as (
    select
        messages.*,
        lag(messages.user_id) over (
            partition by messages.anonymous_id order by messages.occurred_at, messages.message_id
        ) as previous_user_id
    from messages
    inner join visitors on messages.anonymous_id = visitors.anonymous_id
    where visitors.least_user_id <> visitors.greatest_user_id
),

-- a stay lasts until somebody else logs in
numbered as (
    select
        *,
        sum(case when user_id = previous_user_id then 0 else 1 end) over (
            partition by anonymous_id order by occurred_at, message_id
            rows between unbounded preceding and current row
        ) as stay
    from compared
),

stays as (
    select
        anonymous_id,
        least_user_id as user_id,
        logged_in_at,
        last_seen_at
    from visitors
    where least_user_id = greatest_user_id
    union all
    select
        anonymous_id,
        user_id,
        min(occurred_at) as logged_in_at,
        max(occurred_at) as last_seen_at
    from numbered
    group by anonymous_id, user_id, stay
),

logins as (
    select
        'segment' as source,
        'anonymous:' || anonymous_id as record_id,
        'user:' || user_id as owner_record_id,
        logged_in_at,
        last_seen_at
    from stays
)

select * from logins
