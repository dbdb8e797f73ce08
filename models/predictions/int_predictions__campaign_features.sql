with

moments as (
    select * from {{ ref('int_predictions__moments') }}
    where model = 'campaign_propensity'
),

messages as (
    select * from ({{ campaign_events() }}) as campaign_events
),

people as (
    {{ people_at_moments('messages', 'coalesce(received_at, occurred_at)') }}
),

known_messages as (
    select
        people.cut_number,
        people.moment,
        messages.*
    from messages
    inner join people
        on
            messages.customer_id = people.customer_id
            and {{ is_within('messages.occurred_at', 365, 'people.moment') }}
            and coalesce(messages.received_at, messages.occurred_at) <= people.moment
),

campaign_features as (
    select
        cast(cut_number as integer) as cut_number,
        customer_id,
        channel,
        {% for role in ['sent', 'opened', 'answered'] %}
        cast(sum(case when role = '{{ role }}' then 1 else 0 end) as integer) as {{ role }},
        cast(
            sum(case when role = '{{ role }}' and {{ is_within('occurred_at', 60) }} then 1 else 0 end) as integer
        ) as {{ role }}_60,
        {% endfor %}
        cast(
            min({{ days_between("case when role = 'answered' then occurred_at end", 'moment') }}) as integer
        ) as days_since_answer
    from known_messages
    group by cut_number, customer_id, channel
    having sum(case when role = 'sent' then 1 else 0 end) > 0
)

select * from campaign_features
