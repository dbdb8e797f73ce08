with

quarantined as (
    {%- for source_name in var('sources') %}
    select
        '{{ source_name }}' as source,
        records.table_name,
        records.reason,
        records.file,
        cast(records.quarantined_at as timestamp) as quarantined_at
    from {{ source(source_name, 'quarantine') }} as records
    inner join {{ source(source_name, 'extracted_files') }} as files
        on records.file_id = files.file_id and files.is_current
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

quarantine as (
    select
        source,
        table_name,
        reason,
        cast(count(*) as bigint) as record_count,
        cast(count(distinct file) as bigint) as file_count,
        min(file) as example_file,
        min(quarantined_at) as first_quarantined_at,
        max(quarantined_at) as last_quarantined_at
    from quarantined
    group by source, table_name, reason
)

select * from quarantine
