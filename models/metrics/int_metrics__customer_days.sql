{%- set lost_at = add_days('ordered_at', var('churn_days')) -%}
with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

customers as (
    select * from {{ ref('customers') }}
),

days as (
    select * from {{ ref('int_metrics__days') }}
),

-- an order at the very moment at which somebody would be lost comes in time
moves as (
    select
        customer_id,
        cast(ordered_at as date) as date_day,
        case when previous_order_at is null then 1 else 0 end as new_customers,
        case when previous_order_at is null then 0 else 1 end as returned_customers,
        0 as lost_customers
    from orders
    where previous_order_at is null or ordered_at > {{ add_days('previous_order_at', var('churn_days')) }}
    union all
    select
        customer_id,
        cast({{ lost_at }} as date) as date_day,
        0 as new_customers,
        0 as returned_customers,
        1 as lost_customers
    from orders
    where {{ lost_at }} <= {{ as_of() }} and (next_order_at is null or next_order_at > {{ lost_at }})
),

moves_of_kind as (
    select
        customers.country_code,
        customers.acquisition_channel,
        customers.lifecycle_stage,
        moves.date_day,
        moves.new_customers,
        moves.returned_customers,
        moves.lost_customers
    from moves
    inner join customers on moves.customer_id = customers.customer_id
),

kinds as (
    select
        country_code,
        acquisition_channel,
        lifecycle_stage,
        min(date_day) as first_day
    from moves_of_kind
    group by country_code, acquisition_channel, lifecycle_stage
),

-- every kind has a row for every day since its first, so that the last day of a month tells all who were active
told as (
    select * from moves_of_kind
    union all
    select
        kinds.country_code,
        kinds.acquisition_channel,
        kinds.lifecycle_stage,
        days.date_day,
        0 as new_customers,
        0 as returned_customers,
        0 as lost_customers
    from kinds
    inner join days on kinds.first_day <= days.date_day
),

added_up as (
    select
        country_code,
        acquisition_channel,
        lifecycle_stage,
        date_day,
        cast(sum(new_customers) as bigint) as new_customers,
        cast(sum(returned_customers) as bigint) as returned_customers,
        cast(sum(lost_customers) as bigint) as lost_customers
    from told
    group by country_code, acquisition_channel, lifecycle_stage, date_day
),

customer_days as (
    select
        *,
        cast(
            sum(new_customers + returned_customers - lost_customers) over (
                partition by country_code, acquisition_channel, lifecycle_stage
                order by date_day
                rows between unbounded preceding and current row
            ) as bigint
        ) as active_customers
    from added_up
)

select * from customer_days
