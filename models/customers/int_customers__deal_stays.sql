with

deals as (
    {{ union_sources('deals') }}
),

appearances as (
    select
        source || ':' || deal_id as deal_id,
        coalesce(stage, 'unknown') as stage,
        seen_from,
        appearance
    from deals
),

-- the oldest appearance has the highest number
compared as (
    select
        *,
        lag(stage) over (partition by deal_id order by appearance desc) as previous_stage
    from appearances
),

entries as (
    select
        deal_id,
        stage,
        previous_stage,
        seen_from as entered_at,
        row_number() over (partition by deal_id order by appearance desc) as stay_number
    from compared
    where previous_stage is null or stage <> previous_stage
),

deal_stays as (
    select
        *,
        lead(entered_at) over (partition by deal_id order by stay_number) as left_at,
        stay_number = max(stay_number) over (partition by deal_id) as is_current
    from entries
)

select * from deal_stays
