{#-
    Of how many visits did each step come after the one before: product viewed, cart, checkout, all within the visit, and an order of the same
    person within days. The first event of each step counts that is not earlier than the first of the step before.
-#}
with

sessions as (
    select * from {{ ref('customer_sessions') }}
    where started_at <= {{ as_of() }}
),

events as (
    select
        session_id,
        event_type,
        occurred_at
    from {{ ref('customer_events') }}
    where
        session_id is not null
        and event_type in ('product_viewed', 'product_added', 'checkout_started')
        and occurred_at <= {{ as_of() }}
),

viewed as (
    select
        session_id,
        min(occurred_at) as viewed_at
    from events
    where event_type = 'product_viewed'
    group by session_id
),

added as (
    select
        events.session_id,
        min(events.occurred_at) as added_at
    from events
    inner join viewed on events.session_id = viewed.session_id and events.occurred_at >= viewed.viewed_at
    where events.event_type = 'product_added'
    group by events.session_id
),

checked_out as (
    select
        events.session_id,
        min(events.occurred_at) as checkout_at
    from events
    inner join added on events.session_id = added.session_id and events.occurred_at >= added.added_at
    where events.event_type = 'checkout_started'
    group by events.session_id
),

-- an order belongs to the last visit with a checkout before it, so that no order counts twice
order_visits as (
    select
        orders.order_id,
        checked_out.session_id,
        row_number() over (
            partition by orders.order_id order by checked_out.checkout_at desc, checked_out.session_id asc
        ) as precedence
    from {{ ref('int_customers__counted_orders') }} as orders
    inner join sessions on orders.customer_id = sessions.customer_id
    inner join checked_out
        on
            sessions.session_id = checked_out.session_id
            and orders.ordered_at >= checked_out.checkout_at
            and orders.ordered_at < {{ add_days('checked_out.checkout_at', var('funnel_order_days')) }}
),

ordered as (
    select distinct session_id
    from order_visits
    where precedence = 1
),

visits as (
    select
        cast(date_trunc('week', sessions.started_at) as date) as week_date,
        sessions.channel,
        sessions.customer_id,
        viewed.session_id is not null as has_viewed,
        added.session_id is not null as has_added,
        checked_out.session_id is not null as has_checked_out,
        ordered.session_id is not null as has_ordered
    from sessions
    left join viewed on sessions.session_id = viewed.session_id
    left join added on sessions.session_id = added.session_id
    left join checked_out on sessions.session_id = checked_out.session_id
    left join ordered on sessions.session_id = ordered.session_id
),

funnel as (
    select
        week_date,
        channel,
        cast(count(distinct customer_id) as integer) as people,
        cast(count(*) as integer) as visits,
        cast(count(*) filter (where has_viewed) as integer) as product_views,
        cast(count(*) filter (where has_added) as integer) as carts,
        cast(count(*) filter (where has_checked_out) as integer) as checkouts,
        cast(count(*) filter (where has_ordered) as integer) as orders
    from visits
    group by week_date, channel
)

select * from funnel
