{%- set lost_at = add_days('orders.ordered_at', var('churn_days')) -%}
{%- set kind = ['country_code', 'acquisition_channel', 'lifecycle_stage'] -%}
with

orders as (
    select * from {{ ref('int_customers__counted_orders') }}
),

customers as (
    select
        customer_id,
        {{ kind | join(', ') }}
    from {{ ref('customers') }}
),

-- an order at the very moment at which somebody would be lost comes in time
changes as (
    select
        orders.customer_id,
        cast(orders.ordered_at as date) as date_day,
        case when orders.previous_order_at is null then 1 else 0 end as new_customers,
        case when orders.previous_order_at is null then 0 else 1 end as returned_customers,
        0 as lost_customers
    from orders
    where
        orders.previous_order_at is null
        or orders.ordered_at > {{ add_days('orders.previous_order_at', var('churn_days')) }}
    union all
    select
        orders.customer_id,
        cast({{ lost_at }} as date) as date_day,
        0 as new_customers,
        0 as returned_customers,
        1 as lost_customers
    from orders
    where
        {{ lost_at }} <= {{ as_of() }}
        and (orders.next_order_at is null or orders.next_order_at > {{ lost_at }})
),

changes_of_day as (
    select
        {%- for column in kind %}
        customers.{{ column }},
        {%- endfor %}
        changes.date_day,
        sum(changes.new_customers) as new_customers,
        sum(changes.returned_customers) as returned_customers,
        sum(changes.lost_customers) as lost_customers
    from changes
    inner join customers on changes.customer_id = customers.customer_id
    group by {% for column in kind %}customers.{{ column }}, {% endfor %}changes.date_day
),

kinds as (
    select
        {{ kind | join(', ') }},
        min(date_day) as first_day
    from changes_of_day
    group by {{ kind | join(', ') }}
),

-- every kind has a row for every day since its first, so that the last day of a month tells all who were active
days_of_kind as (
    select
        {%- for column in kind %}
        kinds.{{ column }},
        {%- endfor %}
        days.date_day
    from kinds
    inner join {{ ref('int_metrics__days') }} as days on kinds.first_day <= days.date_day
),

customer_days as (
    select
        {%- for column in kind %}
        days_of_kind.{{ column }},
        {%- endfor %}
        days_of_kind.date_day,
        cast(coalesce(changes.new_customers, 0) as bigint) as new_customers,
        cast(coalesce(changes.returned_customers, 0) as bigint) as returned_customers,
        cast(coalesce(changes.lost_customers, 0) as bigint) as lost_customers,
        cast(
            sum(coalesce(changes.new_customers + changes.returned_customers - changes.lost_customers, 0)) over (
                partition by {% for column in kind %}days_of_kind.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
                order by days_of_kind.date_day
                rows between unbounded preceding and current row
            ) as bigint
        ) as active_customers
    from days_of_kind
    left join changes_of_day as changes
        on
            days_of_kind.date_day = changes.date_day
            {%- for column in kind %}
            and days_of_kind.{{ column }} is not distinct from changes.{{ column }}
            {%- endfor %}
)

select * from customer_days
