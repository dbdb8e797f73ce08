with

lifecycle as (
    select * from {{ ref('customer_lifecycle') }}
),

lifecycle_transitions as (
    select
        cast(date_trunc('month', entered_at) as date) as month_date,
        coalesce(previous_stage, 'new') as from_stage,
        stage as to_stage,
        cast(count(distinct customer_id) as integer) as people
    from lifecycle
    group by cast(date_trunc('month', entered_at) as date), coalesce(previous_stage, 'new'), stage
)

select * from lifecycle_transitions
