-- A join that loses events would make a timeline that looks whole and is not: what staging tells must all arrive, and with it
-- the money; and an incremental timeline must not keep what is told no more.
with

told as (
    select source, count(*) as events, coalesce(sum(amount), 0) as amount, max(occurred_at) as last_at
    from ({{ union_sources('events') }}) as events
    group by source
),

arrived as (
    select source, count(*) as events, coalesce(sum(amount), 0) as amount, max(occurred_at) as last_at
    from {{ ref('customer_events') }}
    group by source
)

select
    coalesce(told.source, arrived.source) as source,
    told.events,
    arrived.events as arrived_events,
    told.amount,
    arrived.amount as arrived_amount
from told
full join arrived on told.source = arrived.source
where
    told.events is distinct from arrived.events
    or told.amount is distinct from arrived.amount
    or told.last_at is distinct from arrived.last_at
