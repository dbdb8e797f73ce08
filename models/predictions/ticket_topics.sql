with

ticket_texts as (
    select * from {{ ref('int_predictions__ticket_texts') }}
),

scored_tickets as (
    select * from {{ ref('int_predictions__scored_tickets') }}
),

runs as (
    select
        max(case when model = 'ticket_topics' then model_version end) as model_version,
        max(as_of_date) as as_of_date,
        max(case when model = 'ticket_topics' and is_published then 1 else 0 end) = 1 as is_topic_published,
        max(case when model = 'ticket_urgency' and is_published then 1 else 0 end) = 1 as is_urgency_published
    from {{ ref('int_predictions__tickets_fit') }}
    where metric is null
),

ticket_topics as (
    select
        ticket_texts.ticket_id,
        ticket_texts.customer_id,
        case when runs.is_topic_published then scored_tickets.topic end as topic,
        case when runs.is_topic_published then scored_tickets.topic_confidence end as topic_confidence,
        case when runs.is_urgency_published then scored_tickets.urgency end as urgency,
        case when runs.is_urgency_published then scored_tickets.urgency_confidence end as urgency_confidence,
        runs.as_of_date,
        runs.model_version
    from ticket_texts
    cross join runs
    inner join scored_tickets
        on ticket_texts.text_hash = scored_tickets.text_hash and runs.model_version = scored_tickets.model_version
    where runs.is_topic_published or runs.is_urgency_published
)

select * from ticket_topics
