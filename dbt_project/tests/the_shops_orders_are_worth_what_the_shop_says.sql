-- From the shop's own records to staging, nothing between is trusted: the latest appearance of each order, its total as it stands.
with

raw_orders as (
    {{ latest_appearances('shopify', 'orders', key='id', changed_at='updated_at') }}
),

raw_totals as (
    select
        count(*) as orders,
        sum(try_cast(total_price as decimal(18, 2))) as gross_amount,
        sum(try_cast(total_discounts as decimal(18, 2))) as discount_amount
    from raw_orders
),

told as (
    select
        count(*) as orders,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount
    from {{ ref('stg_shopify__orders') }}
)

select raw_totals.*
from raw_totals
cross join told
where
    raw_totals.orders <> told.orders
    or coalesce(raw_totals.gross_amount, 0) <> coalesce(told.gross_amount, 0)
    or coalesce(raw_totals.discount_amount, 0) <> coalesce(told.discount_amount, 0)
