with

moments as (
    select * from {{ ref('int_predictions__moments') }}
    where model = 'campaign_propensity'
),

messages as (
    select * from ({{ campaign_events() }}) as campaign_events
),

learners as (
    {{ learners('messages') }}
),

known_messages as (
    select
        moments.cut_number,
        moments.moment,
        messages.*
    from messages
    inner join moments
        on
            {{ is_within('messages.occurred_at', 365, 'moments.moment') }}
            and coalesce(messages.received_at, messages.occurred_at) <= moments.moment
    left join learners on messages.customer_id = learners.customer_id
    where moments.cut_number = 0 or learners.customer_id is not null
),

campaign_features as (
    select
        cast(cut_number as integer) as cut_number,
        customer_id,
        channel,
        {% for role in ['sent', 'opened', 'answered'] -%}
            cast(sum(case when role = '{{ role }}' then 1 else 0 end) as integer) as {{ role }},
            cast(
                sum(case when role = '{{ role }}' and {{ is_within('occurred_at', 60) }} then 1 else 0 end) as integer
            ) as {{ role }}_60,
        {% endfor -%}
        cast(
            min({{ days_between("case when role = 'answered' then occurred_at end", 'moment') }}) as integer
        ) as days_since_answer
    from known_messages
    group by cut_number, customer_id, channel
    having sum(case when role = 'sent' then 1 else 0 end) > 0
)

select * from campaign_features
