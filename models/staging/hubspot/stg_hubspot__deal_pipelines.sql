with

appearances as (
    {{ latest_appearances('hubspot', 'deal_pipelines', key='id', changed_at='updated_at') }}
),

deal_pipelines as (
    select
        -- ids
        id as pipeline_id,
        -- strings
        {{ text_or_null('label') }} as label,
        stages,
        -- timestamps
        {{ utc_timestamp('updated_at') }} as updated_at
    from appearances
)

select * from deal_pipelines
