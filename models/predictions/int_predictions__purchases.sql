with

basket_moments as (
    select * from {{ ref('int_predictions__basket_moments') }}
),

known_lines as (
    select
        basket_moments.cut_number,
        basket_moments.moment,
        lines.customer_id,
        lines.order_id,
        lines.product_id,
        lines.is_on_sale,
        lines.ordered_at
    from {{ ref('int_predictions__basket_lines') }} as lines
    inner join basket_moments
        on
            lines.ordered_at <= basket_moments.moment
            and (lines.cancelled_at is null or lines.cancelled_at > basket_moments.moment)
),

order_totals as (
    select
        cut_number,
        customer_id,
        count(distinct order_id) as order_total
    from known_lines
    group by cut_number, customer_id
),

counted as (
    select
        cut_number,
        customer_id,
        product_id,
        moment,
        is_on_sale,
        count(distinct order_id) as order_count,
        max(ordered_at) as last_ordered_at
    from known_lines
    group by cut_number, customer_id, product_id, moment, is_on_sale
),

ranked as (
    select
        counted.*,
        order_totals.order_total,
        {{ days_between('counted.last_ordered_at', 'counted.moment') }} as age_days,
        row_number() over (
            partition by counted.cut_number, counted.customer_id
            order by counted.order_count desc, counted.last_ordered_at desc, counted.product_id asc
        ) as place
    from counted
    inner join order_totals
        on counted.cut_number = order_totals.cut_number and counted.customer_id = order_totals.customer_id
),

purchases as (
    select
        cut_number,
        customer_id,
        product_id,
        is_on_sale,
        cast(order_count as integer) as order_count,
        cast(order_total as integer) as order_total,
        cast(age_days as integer) as age_days,
        cast(place as integer) as place
    from ranked
    where place <= {{ var('next_products_per_person') }}
)

select * from purchases
