with

moments as (
    select
        *,
        {{ add_days('moment', 'horizon_days') }} as ends_at
    from {{ ref('int_predictions__moments') }}
    where model = 'campaign_propensity' and cut_number > 0
),

-- whoever had got nothing by then is no example; of those who had, so many as classifiers learn from
learned_from as (
    select distinct customer_id from {{ ref('int_predictions__campaign_features') }}
    where cut_number > 0
),

messages as (
    select campaign_events.*
    from ({{ campaign_events() }}) as campaign_events
    inner join learned_from on campaign_events.customer_id = learned_from.customer_id
),

-- the next one that each person gets on each channel
next_messages as (
    select *
    from (
        select
            moments.cut_number,
            messages.event_id,
            messages.customer_id,
            messages.channel,
            messages.campaign,
            messages.occurred_at,
            row_number() over (
                partition by moments.cut_number, messages.customer_id, messages.channel
                order by messages.occurred_at, messages.event_id
            ) as place
        from messages
        inner join moments on messages.occurred_at > moments.moment and messages.occurred_at <= moments.ends_at
        where messages.role = 'sent'
    ) as sent
    where place = 1
),

-- joined for itself: with the conditions in an outer join, DuckDB compares every message with every answer
answered as (
    select distinct
        next_messages.cut_number,
        next_messages.customer_id,
        next_messages.channel
    from next_messages
    inner join messages as answers
        on
            answers.role = 'answered'
            and next_messages.customer_id = answers.customer_id
            and next_messages.channel = answers.channel
            and (
                next_messages.campaign = answers.campaign
                or next_messages.campaign is null
                or answers.campaign is null
            )
            and next_messages.occurred_at <= answers.occurred_at
            and {{ add_days('next_messages.occurred_at', var('campaign_response_days')) }} >= answers.occurred_at
),

campaign_outcomes as (
    select
        cast(next_messages.cut_number as integer) as cut_number,
        next_messages.customer_id,
        next_messages.channel,
        case when answered.customer_id is null then 0 else 1 end as has_answered
    from next_messages
    left join answered
        on
            next_messages.cut_number = answered.cut_number
            and next_messages.customer_id = answered.customer_id
            and next_messages.channel = answered.channel
)

select * from campaign_outcomes
