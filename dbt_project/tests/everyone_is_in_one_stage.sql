-- stays follow each other without gap, and everybody's last one is open
with

stays as (
    select
        *,
        lead(entered_at) over (partition by customer_id order by entered_at) as next_entered_at
    from {{ ref('customer_lifecycle') }}
)

select
    customer_id,
    entered_at
from stays
where left_at is distinct from next_entered_at
