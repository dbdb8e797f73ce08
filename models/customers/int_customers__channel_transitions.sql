with

-- a touch leads to the next order, if that comes within the window
moments as (
    select
        customer_id,
        ordered_at as moment,
        order_id,
        cast(null as {{ dbt.type_string() }}) as touchpoint_id,
        cast(null as {{ dbt.type_string() }}) as channel,
        false as is_own
    from {{ ref('int_customers__counted_orders') }}
    union all
    select
        customer_id,
        touched_at as moment,
        cast(null as {{ dbt.type_string() }}) as order_id,
        touchpoint_id,
        channel,
        is_own
    from {{ ref('customer_touchpoints') }}
),

touches as (
    select
        *,
        min(case when order_id is not null then moment end) over (
            partition by customer_id order by moment
            range between current row and unbounded following
        ) as next_order_at
    from moments
),

outcomes as (
    select
        customer_id,
        touchpoint_id,
        channel,
        is_own,
        moment as touched_at,
        case
            when next_order_at < {{ add_days('moment', var('attribution_window_days')) }} then next_order_at
        end as converted_at
    from touches
    where touchpoint_id is not null
),

-- what led to no order ends when nothing follows within the window; so far away is any order between two such touches
breaks as (
    select
        *,
        case
            when
                lag(touched_at) over (partition by customer_id, converted_at order by touched_at, touchpoint_id)
                > {{ add_days('touched_at', -var('attribution_window_days')) }}
                then 0
            else 1
        end as is_new
    from outcomes
),

journeys as (
    select
        *,
        sum(is_new) over (
            partition by customer_id, converted_at order by touched_at, touchpoint_id rows unbounded preceding
        ) as journey
    from breaks
),

credited as (
    select
        *,
        min(case when is_own then 1 else 0 end) over (partition by customer_id, converted_at, journey) as is_all_own
    from journeys
),

steps as (
    select
        channel,
        converted_at,
        lag(channel) over (
            partition by customer_id, converted_at, journey order by touched_at, touchpoint_id
        ) as previous_channel,
        lead(channel) over (
            partition by customer_id, converted_at, journey order by touched_at, touchpoint_id
        ) as next_channel
    from credited
    where is_all_own = 1 or not is_own
),

transitions as (
    select
        '(start)' as from_state,
        channel as to_state
    from steps
    where previous_channel is null
    union all
    select
        channel as from_state,
        coalesce(next_channel, case when converted_at is not null then '(order)' else '(none)' end) as to_state
    from steps
),

channel_transitions as (
    select
        from_state,
        to_state,
        count(*) as transition_count
    from transitions
    group by from_state, to_state
)

select * from channel_transitions
