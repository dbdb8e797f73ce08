-- Money that a join or a filter loses is missed by nobody: what staging tells, in each source's own currency, must all stand in the
-- tables of customers, or in the sales that nobody left a name at.
with

told as (
    select source, coalesce(currency, '') as currency, gross_amount, discount_amount, 0 as refunded_amount, 1 as movements
    from ({{ union_sources('orders') }}) as orders
    union all
    select source, coalesce(currency, '') as currency, 0, 0, amount, 1
    from ({{ union_sources('refunds') }}) as refunds
),

arrived as (
    select source, coalesce(currency, '') as currency, gross_amount, discount_amount, 0 as refunded_amount, 1 as movements
    from {{ ref('customer_orders') }}
    union all
    select source, coalesce(currency, '') as currency, 0, 0, amount, 1
    from {{ ref('customer_refunds') }}
    union all
    select source, coalesce(currency, '') as currency, gross_amount, discount_amount, 0, 1
    from {{ ref('int_customers__orders') }}
    where record_id is null
    union all
    select source, coalesce(currency, '') as currency, 0, 0, amount, 1
    from {{ ref('int_customers__refunds') }}
    where record_id is null
),

balance as (
    select source, currency, gross_amount, discount_amount, refunded_amount, movements from told
    union all
    select source, currency, -gross_amount, -discount_amount, -refunded_amount, -movements from arrived
)

select
    source,
    currency,
    sum(gross_amount) as gross_missing,
    sum(discount_amount) as discount_missing,
    sum(refunded_amount) as refunded_missing,
    sum(movements) as movements_missing
from balance
group by source, currency
having
    coalesce(sum(gross_amount), 0) <> 0
    or coalesce(sum(discount_amount), 0) <> 0
    or coalesce(sum(refunded_amount), 0) <> 0
    or sum(movements) <> 0
