{#- Of everybody's orders the path that led to them, told by its last six steps at most. -#}
{%- set changes = ref('int_customers__journey_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook="{{ delete_stale(ref('int_customers__journey_changes')) }}",
) }}

with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

-- of others no path is told: two in three people have not ordered
buyers as (
    select distinct customer_id from orders
),

-- an event leads to the next order, and to no other
moments as (
    select
        customer_id,
        event_type,
        event_id,
        occurred_at as moment,
        cast(null as timestamp) as ordered_at
    from {{ ref('customer_events') }}
    where
        {{ is_step('event_type') }}
        and occurred_at <= {{ as_of() }}
        and customer_id in (select buyers.customer_id from buyers)
    union all
    select distinct
        customer_id,
        cast(null as {{ dbt.type_string() }}) as event_type,
        cast(null as {{ dbt.type_string() }}) as event_id,
        ordered_at as moment,
        ordered_at
    from orders
),

followed as (
    select
        *,
        min(ordered_at) over (
            partition by customer_id order by moment range between current row and unbounded following
        ) as next_order_at
    from moments
),

steps as (
    select
        customer_id,
        'event_type' as path_kind,
        customer_id || '|' || cast(next_order_at as {{ dbt.type_string() }}) as order_key,
        event_type as step,
        event_id as step_id,
        moment
    from followed
    where event_id is not null and next_order_at < {{ add_days('moment', var('attribution_window_days')) }}
    union all
    select
        customer_id,
        'channel' as path_kind,
        order_id as order_key,
        channel as step,
        touchpoint_id as step_id,
        touched_at as moment
    from {{ ref('int_customers__order_touches') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

-- the same again and again is one step
changed as (
    select
        *,
        lag(step) over (partition by path_kind, order_key order by moment, step_id) as previous_step
    from steps
),

numbered as (
    select
        *,
        row_number() over (partition by path_kind, order_key order by moment desc, step_id desc) as steps_before
    from changed
    where previous_step is null or previous_step <> step
),

order_paths as (
    select
        customer_id,
        path_kind,
        order_key,
        concat_ws(
            ' > ',
            {%- for place in range(6, 0, -1) %}
            max(case when steps_before = {{ place }} then step end){{ ',' if not loop.last }}
            {%- endfor %}
        ) as path,
        cast(least(count(*), 6) as integer) as step_count,
        max(steps_before) > 6 as is_shortened,
        {{ changes_up_to(changes) }} as changed_at
    from numbered
    group by customer_id, path_kind, order_key
)

select * from order_paths
