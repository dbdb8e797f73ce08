with

identifiers as (
    select * from {{ ref('customer_identifiers') }}
    where not is_quarantined
),

identifier_counts as (
    select
        customer_id,
        cast(count(case when identifier_type = 'email' then 1 end) as integer) as email_count,
        cast(count(case when identifier_type = 'phone' then 1 end) as integer) as phone_count,
        cast(count(case when identifier_type in ('anonymous_id', 'device_id') then 1 end) as integer) as device_count
    from identifiers
    group by customer_id
)

select * from identifier_counts
