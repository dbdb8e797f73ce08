with

first_seen as (
    select min(first_seen_at) as moment from {{ ref('customers') }}
),

first_sale as (
    select min(moved_at) as moment from {{ ref('int_metrics__sales') }}
),

span as (
    select
        least(
            coalesce(first_seen.moment, {{ as_of() }}), coalesce(first_sale.moment, {{ as_of() }}), {{ as_of() }}
        ) as first_at,
        {{ as_of() }} as last_at
    from first_seen
    cross join first_sale
),

days as (
    select {{ explode_list(date_series('first_at', 'last_at')) }} as date_day
    from span
)

select * from days
