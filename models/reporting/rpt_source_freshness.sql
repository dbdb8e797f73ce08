with

files as (
    {%- for source_name in var('sources') %}
    select
        '{{ source_name }}' as source,
        count(*) as file_count,
        coalesce(sum(rows), 0) as record_count,
        coalesce(sum(quarantined), 0) as quarantined_count,
        cast(max(extracted_at) as timestamp) as last_extracted_at
    from {{ source(source_name, 'extracted_files') }}
    where is_current
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

identifiers as (
    {{ union_sources('identifiers') }}
),

events as (
    {{ union_sources('events') }}
),

seen as (
    select
        source,
        max(last_seen_at) as seen_at
    from identifiers
    group by source
    union all
    select
        source,
        max(occurred_at) as seen_at
    from events
    group by source
    union all
    -- costs are of nobody: they have a day, and neither a record nor an event
    select
        'ads' as source,
        cast(max(cost_date) as timestamp) as seen_at
    from {{ ref('stg_ads__campaign_costs') }}
),

last_seen as (
    select
        source,
        max(seen_at) as last_record_at
    from seen
    group by source
),

source_freshness as (
    select
        files.source,
        cast(files.file_count as bigint) as file_count,
        cast(files.record_count as bigint) as record_count,
        cast(files.quarantined_count as bigint) as quarantined_count,
        files.last_extracted_at,
        last_seen.last_record_at
    from files
    left join last_seen on files.source = last_seen.source
)

select * from source_freshness
