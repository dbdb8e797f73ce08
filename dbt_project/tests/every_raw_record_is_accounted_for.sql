-- A record that vanishes between a file and its staged table would be missed by nobody: what was read must all be told of,
-- and each record refused must lie in quarantine.
with

read_from_files as (
    {%- for source_name in var('sources') %}
    select
        '{{ source_name }}' as source,
        files.table_name,
        sum(files.rows + coalesce(refused.records, 0)) as records
    from {{ source(source_name, 'extracted_files') }} as files
    left join (
        select
            file_id,
            count(*) as records
        from {{ source(source_name, 'quarantine') }}
        group by file_id
    ) as refused on files.file_id = refused.file_id
    where files.is_current
    group by files.table_name
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

accounted as (
    select
        source,
        table_name,
        sum(records) as records
    from {{ ref('rpt_source_accounting') }}
    group by source, table_name
)

select
    coalesce(read_from_files.source, accounted.source) as source,
    coalesce(read_from_files.table_name, accounted.table_name) as table_name,
    read_from_files.records as records_read,
    accounted.records as records_accounted
from read_from_files
full join accounted
    on read_from_files.source = accounted.source and read_from_files.table_name = accounted.table_name
where coalesce(read_from_files.records, 0) <> coalesce(accounted.records, 0)
