with

events as (
    select * from {{ ref('customer_events') }}
    where
        cart_id is not null
        and event_type in ('product_added', 'product_removed', 'cart_viewed', 'checkout_started')
        and occurred_at <= {{ as_of() }}
),

orders as (
    select * from {{ ref('customer_orders') }}
    where ordered_at <= {{ as_of() }}
),

line_counts as (
    select
        order_id,
        count(*) as line_count
    from {{ ref('customer_order_lines') }}
    group by order_id
),

daily_rates as (
    select * from {{ ref('int_customers__daily_rates') }}
),

touches as (
    select
        events.*,
        {{ in_eur('events.amount', 'daily_rates.rate') }} as amount_eur,
        max(case when events.event_type in ('cart_viewed', 'checkout_started') then events.occurred_at end) over (
            partition by events.cart_id
        ) as last_total_at,
        row_number() over (
            partition by events.cart_id order by events.occurred_at desc, events.event_id desc
        ) as recency
    from events
    left join daily_rates
        on events.currency = daily_rates.currency and cast(events.occurred_at as date) = daily_rates.rate_date
),

-- worth: the last total anybody was shown, and what was put in or taken out since
touched as (
    select
        cart_id,
        max(case when recency = 1 then customer_id end) as customer_id,
        count(case when event_type = 'product_added' then 1 end)
        - count(case when event_type = 'product_removed' then 1 end) as item_count,
        max(
            case
                when occurred_at = last_total_at and event_type in ('cart_viewed', 'checkout_started') then amount_eur
            end
        ) as total_eur,
        sum(
            case
                when last_total_at is not null and occurred_at <= last_total_at then null
                when event_type = 'product_added' then amount_eur
                when event_type = 'product_removed' then -amount_eur
            end
        ) as moved_eur,
        min(occurred_at) as started_at,
        max(occurred_at) as last_touched_at
    from touches
    group by cart_id
),

numbered_orders as (
    select
        *,
        row_number() over (partition by cart_id order by ordered_at, order_id) as place
    from orders
    where cart_id is not null
),

own_orders as (
    select * from numbered_orders
    where place = 1
),

known as (
    select
        coalesce(touched.cart_id, own_orders.cart_id) as cart_id,
        coalesce(own_orders.customer_id, touched.customer_id) as customer_id,
        coalesce(nullif(touched.item_count, 0), line_counts.line_count) as item_count,
        coalesce(
            coalesce(touched.total_eur, 0) + touched.moved_eur, touched.total_eur, own_orders.gross_amount_eur
        ) as value_eur,
        own_orders.order_id,
        coalesce(touched.started_at, own_orders.ordered_at) as started_at,
        coalesce(touched.last_touched_at, own_orders.ordered_at) as last_touched_at,
        own_orders.ordered_at
    from touched
    full join own_orders on touched.cart_id = own_orders.cart_id
    left join line_counts on own_orders.order_id = line_counts.order_id
),

-- somebody who fills a cart on the phone and orders from another one at home within a week has not abandoned it
other_orders as (
    select
        known.cart_id,
        orders.order_id,
        orders.ordered_at,
        row_number() over (partition by known.cart_id order by orders.ordered_at, orders.order_id) as place
    from known
    inner join orders
        on
            known.customer_id = orders.customer_id
            and known.started_at <= orders.ordered_at
            and {{ add_days('known.last_touched_at', 7) }} >= orders.ordered_at
    where known.order_id is null
),

customer_carts as (
    select
        known.cart_id,
        known.customer_id,
        cast(known.item_count as integer) as item_count,
        cast(known.value_eur as decimal(18, 2)) as value_eur,
        case
            when coalesce(known.order_id, other_orders.order_id) is not null then 'ordered'
            when known.last_touched_at > {{ add_hours(as_of(), -4) }} then 'open'
            else 'abandoned'
        end as outcome,
        coalesce(known.order_id, other_orders.order_id) as order_id,
        known.order_id is not null as is_own_order,
        known.started_at,
        known.last_touched_at,
        coalesce(known.ordered_at, other_orders.ordered_at) as ordered_at
    from known
    left join other_orders on known.cart_id = other_orders.cart_id and other_orders.place = 1
)

select * from customer_carts
