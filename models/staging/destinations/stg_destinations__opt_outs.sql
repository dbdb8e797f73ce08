with

opt_out_versions as (
    select * from {{ ref('stg_destinations__opt_out_versions') }}
),

opt_outs as (
    select
        -- ids
        opt_out_id,
        record_id,
        -- strings
        destination,
        sync,
        identifier_type,
        identifier,
        purpose,
        channel,
        status,
        -- timestamps
        opted_out_at,
        seen_at
    from opt_out_versions
    where is_latest
)

select * from opt_outs
