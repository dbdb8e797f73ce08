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

compared as (
    select
        *,
        lag(user_id) over (partition by anonymous_id order by occurred_at, message_id) as previous_user_id
    from messages
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

logins as (
    select
        'segment' as source,
        'anonymous:' || anonymous_id as record_id,
        'user:' || user_id as owner_record_id,
        min(occurred_at) as logged_in_at,
        max(occurred_at) as last_seen_at
    from numbered
    group by anonymous_id, user_id, stay
)

select * from logins
