-- One person is in a segment once at a time: of two stays the later one begins after the earlier has ended.
with

ordered as (
    select
        segment,
        customer_id,
        entered_at,
        left_at,
        row_number() over (partition by segment, customer_id order by entered_at desc) as from_last,
        lead(entered_at) over (partition by segment, customer_id order by entered_at) as next_entered_at
    from {{ ref('segment_memberships') }}
)

select *
from ordered
where left_at <= entered_at or next_entered_at <= left_at or (left_at is null and from_last > 1)
