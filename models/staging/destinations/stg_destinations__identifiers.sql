with

opt_out_versions as (
    select * from {{ ref('stg_destinations__opt_out_versions') }}
),

identifiers as (
    select
        'destinations' as source,
        record_id,
        identifier_type,
        identifier as identifier_value,
        cast(null as string) as country_code,
        min(opted_out_at) as first_seen_at,
        max(seen_at) as last_seen_at
    from opt_out_versions
    where identifier <> ''
    group by record_id, identifier_type, identifier
)

select * from identifiers
