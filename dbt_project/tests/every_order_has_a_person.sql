-- A join that loses orders would make a revenue that looks whole and is not: what staging tells must all arrive, but for the
-- sales that nobody left a name at (reporting.rpt_revenue counts them).
with

told as (
    select source, count(*) as orders
    from ({{ union_sources('orders') }}) as orders
    where record_id is not null
    group by source
),

arrived as (
    select source, count(*) as orders from {{ ref('customer_orders') }} group by source
)

select told.source, told.orders, arrived.orders as arrived
from told
left join arrived on told.source = arrived.source
where arrived.orders is null or told.orders <> arrived.orders
