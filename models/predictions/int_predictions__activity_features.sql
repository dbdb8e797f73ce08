with

moments as (
    select * from {{ ref('int_predictions__moments') }}
    where model = 'churn'
),

buyers as (
    select
        features.customer_id,
        moments.cut_number,
        moments.moment
    from {{ ref('int_predictions__order_features') }} as features
    inner join moments on features.cut_number = moments.cut_number
    where features.model = 'churn'
),

events as (
    select * from {{ ref('customer_events') }}
    -- orders speak in int_predictions__order_features; what is sent to people says nothing of them
    where event_type not in ('order_placed', 'order_cancelled', 'order_refunded', 'email_received', 'sms_received')
),

known_events as (
    select
        buyers.cut_number,
        buyers.moment,
        events.customer_id,
        events.event_type,
        events.occurred_at
    from events
    inner join buyers
        on
            events.customer_id = buyers.customer_id
            and {{ is_within('events.occurred_at', 90, 'buyers.moment') }}
            and coalesce(events.received_at, events.occurred_at) <= buyers.moment
),

activity_features as (
    select
        'churn' as model,
        cast(cut_number as integer) as cut_number,
        customer_id,
        cast(count(*) as integer) as events_90,
        cast(sum(case when {{ is_within('occurred_at', 30) }} then 1 else 0 end) as integer) as events_30,
        cast(sum(case when event_type = 'product_added' then 1 else 0 end) as integer) as carts_90,
        cast(
            sum(case when event_type in ('email_opened', 'email_clicked', 'sms_clicked') then 1 else 0 end) as integer
        ) as answers_90,
        cast(sum(case when event_type = 'ticket_opened' then 1 else 0 end) as integer) as tickets_90
    from known_events
    group by cut_number, customer_id
)

select * from activity_features
