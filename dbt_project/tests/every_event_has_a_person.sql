-- A join that loses events would make a timeline that looks whole and is not: what staging tells must all arrive.
with

told as (
    select source, count(*) as events from ({{ union_sources('events') }}) as events group by source
),

arrived as (
    select source, count(*) as events from {{ ref('customer_events') }} group by source
)

select told.source, told.events, arrived.events as arrived
from told
left join arrived on told.source = arrived.source
where arrived.events is null or told.events <> arrived.events
