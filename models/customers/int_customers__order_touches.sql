{#- Rows of an older version do not say whose they are: they go in any case. -#}
{%- set changes = ref('int_customers__journey_changes') -%}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    post_hook=[
        "delete from {{ this }} where changed_at is null",
        "{{ delete_stale(ref('int_customers__journey_changes')) }}",
    ],
) }}

with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
    {%- if is_incremental() %}
    where customer_id in ({{ touched_people(changes) }})
    {%- endif %}
),

touchpoints as (
    select * from {{ ref('customer_touchpoints') }}
),

within_window as (
    select
        orders.order_id,
        orders.customer_id,
        orders.ordered_at,
        touchpoints.touchpoint_id,
        touchpoints.channel,
        touchpoints.campaign,
        touchpoints.is_own,
        touchpoints.touched_at,
        min(case when touchpoints.is_own then 1 else 0 end) over (partition by orders.order_id) = 1 as is_all_own
    from orders
    inner join touchpoints
        on
            orders.customer_id = touchpoints.customer_id
            and orders.ordered_at >= touchpoints.touched_at
            and {{ add_days('orders.ordered_at', -var('attribution_window_days')) }} < touchpoints.touched_at
),

order_touches as (
    select
        order_id,
        customer_id,
        touchpoint_id,
        channel,
        campaign,
        touched_at,
        ordered_at,
        cast(row_number() over (partition by order_id order by touched_at, touchpoint_id) as integer) as touch_place,
        cast(count(*) over (partition by order_id) as integer) as touch_count,
        {{ changes_up_to(changes) }} as changed_at
    from within_window
    where is_all_own or not is_own
)

select * from order_touches
