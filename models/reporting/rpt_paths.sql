with

paths as (
    select * from {{ ref('int_reporting__order_paths') }}
),

counted as (
    select
        path_kind,
        path,
        cast(max(step_count) as integer) as step_count,
        cast(count(*) as integer) as orders,
        cast(sum(case when is_shortened then 1 else 0 end) as integer) as shortened_orders,
        cast(count(*) as double) / sum(count(*)) over (partition by path_kind) as order_share,
        cast(row_number() over (partition by path_kind order by count(*) desc, path) as integer) as path_rank
    from paths
    group by path_kind, path
),

top_paths as (
    select * from counted
    where path_rank <= 100
)

select * from top_paths
