with

appearances as (
    {{ latest_appearances('klaviyo', 'metrics', key='id') }}
),

metrics as (
    select
        -- ids
        id as metric_id,
        -- strings
        {{ text_or_null(json_text('attributes', '.name')) }} as metric_name,
        -- timestamps
        {{ utc_timestamp(json_text('attributes', '.created')) }} as created_at,
        cast(_extracted_at as timestamp) as extracted_at
    from appearances
)

select * from metrics
