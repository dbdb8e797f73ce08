{{ config(materialized='table' if target.type == 'spark' else 'view') }}

with

members as (
    select
        segment,
        customer_id
    from {{ ref('segment_memberships') }}
    where left_at is null
),

sizes as (
    select
        segment,
        count(*) as member_count
    from members
    group by segment
),

-- as many rows as a person has pairs of segments, whatever the number of segments
shared as (
    select
        members.segment,
        others.segment as other_segment,
        count(*) as both_count
    from members
    inner join members as others on members.customer_id = others.customer_id
    group by members.segment, others.segment
),

customers as (
    select count(*) as customer_count from {{ ref('customers') }}
),

counted as (
    select
        sizes.segment,
        other_sizes.segment as other_segment,
        sizes.member_count,
        other_sizes.member_count as other_member_count,
        coalesce(shared.both_count, 0) as both_count,
        customers.customer_count
    from sizes
    cross join sizes as other_sizes
    cross join customers
    left join shared on sizes.segment = shared.segment and other_sizes.segment = shared.other_segment
    where sizes.segment <> other_sizes.segment
),

segment_overlap as (
    select
        segment,
        other_segment,
        member_count,
        other_member_count,
        both_count,
        cast(both_count as double) / member_count as share_of_segment,
        cast(both_count as double) / (member_count + other_member_count - both_count) as jaccard,
        cast(both_count as double) * customer_count / (cast(member_count as double) * other_member_count) as lift
    from counted
)

select * from segment_overlap
