{{ config(materialized='table' if target.type == 'spark' else 'view') }}
{{- after_segments() }}

with

counts as (
    select * from {{ ref('int_segments__counts') }}
),

compared as (
    select
        *,
        coalesce(lag(member_count) over (partition by segment order by as_of), 0) as previous_member_count
    from counts
),

segment_sizes as (
    select
        segment,
        as_of,
        customer_count,
        previous_member_count,
        entered_count,
        left_count,
        previous_member_count + entered_count - left_count - member_count as merged_count,
        member_count,
        cast(member_count as double) / nullif(customer_count, 0) as share_of_customers,
        email_reachable_count,
        sms_reachable_count
    from compared
)

select * from segment_sizes
