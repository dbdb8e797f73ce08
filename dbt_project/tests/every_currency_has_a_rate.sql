-- Money of a currency and day without a rate stays in its own currency and is missing in euro: put the rate into seeds/exchange_rates.csv.
{{ config(severity='warn') }}
with

moved as (
    select source, currency, ordered_at as moved_at, gross_amount as amount, gross_amount_eur as amount_eur
    from {{ ref('int_customers__orders') }}
    union all
    select source, currency, refunded_at as moved_at, amount, amount_eur
    from {{ ref('int_customers__refunds') }}
    union all
    select source, currency, created_at as moved_at, amount, amount_eur
    from {{ ref('customer_deals') }}
)

select
    source,
    currency,
    count(*) as movements,
    sum(amount) as amount,
    min(moved_at) as first_at,
    max(moved_at) as last_at
from moved
where amount is not null and amount_eur is null
group by source, currency
