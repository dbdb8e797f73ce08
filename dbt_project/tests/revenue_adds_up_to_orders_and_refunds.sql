-- The report is what people quote: it must be the orders and refunds of known customers, and what is said to be of nobody.
with

reported as (
    select
        source,
        is_customer_known,
        sum(order_count) as orders,
        sum(gross_amount_eur) as gross_eur,
        sum(discount_amount_eur) as discount_eur,
        sum(refunded_amount_eur) as refunded_eur,
        sum(cancelled_amount_eur) as cancelled_eur,
        sum(net_amount_eur) as net_eur
    from {{ ref('rpt_revenue') }}
    group by source, is_customer_known
),

orders as (
    select source, true as is_customer_known, gross_amount_eur, discount_amount_eur, cancelled_amount_eur, ordered_at, cancelled_at
    from {{ ref('customer_orders') }}
    union all
    select source, false, gross_amount_eur, discount_amount_eur, cancelled_amount_eur, ordered_at, cancelled_at
    from {{ ref('int_customers__orders') }}
    where record_id is null
),

amounts as (
    select
        source,
        is_customer_known,
        1 as orders,
        gross_amount_eur,
        discount_amount_eur,
        cast(0 as decimal(18, 2)) as refunded_amount_eur,
        cast(0 as decimal(18, 2)) as cancelled_amount_eur,
        ordered_at as moved_at
    from orders
    union all
    select source, is_customer_known, 0, 0, 0, 0, cancelled_amount_eur, coalesce(cancelled_at, ordered_at)
    from orders
    union all
    select source, true, 0, 0, 0, amount_eur, 0, refunded_at
    from {{ ref('customer_refunds') }}
    union all
    select source, false, 0, 0, 0, amount_eur, 0, refunded_at
    from {{ ref('int_customers__refunds') }}
    where record_id is null
),

moved as (
    select
        source,
        is_customer_known,
        sum(orders) as orders,
        coalesce(sum(gross_amount_eur), 0) as gross_eur,
        coalesce(sum(discount_amount_eur), 0) as discount_eur,
        coalesce(sum(refunded_amount_eur), 0) as refunded_eur,
        coalesce(sum(cancelled_amount_eur), 0) as cancelled_eur
    from amounts
    {%- if var('as_of') %}
    where moved_at <= {{ as_of() }}
    {%- endif %}
    group by source, is_customer_known
)

select reported.*
from moved
full join reported
    on moved.source = reported.source and moved.is_customer_known = reported.is_customer_known
where
    reported.source is null
    or moved.source is null
    or moved.orders <> reported.orders
    or moved.gross_eur <> reported.gross_eur
    or moved.discount_eur <> reported.discount_eur
    or moved.refunded_eur <> reported.refunded_eur
    or moved.cancelled_eur <> reported.cancelled_eur
    or reported.net_eur <> moved.gross_eur - moved.refunded_eur - moved.cancelled_eur
