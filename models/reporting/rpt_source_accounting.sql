with

staged as (
    {{ union_sources('accounting') }}
),

files as (
    {%- for source_name in var('sources') %}
    select
        '{{ source_name }}' as source,
        table_name,
        sum(rows) as taken_records,
        sum(quarantined) as quarantined_records
    from {{ source(source_name, 'extracted_files') }}
    where is_current
    group by table_name
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

quarantined as (
    select
        source,
        table_name,
        'quarantined' as record_class,
        quarantined_records as records
    from files
),

-- of a source whose staging keeps no account
only_taken as (
    select
        files.source,
        files.table_name,
        'not_accounted_for' as record_class,
        files.taken_records as records
    from files
    left join staged on files.source = staged.source and files.table_name = staged.table_name
    where staged.source is null
),

accounting as (
    select * from staged
    union all
    select * from quarantined
    union all
    select * from only_taken
),

source_accounting as (
    select
        source,
        table_name,
        record_class,
        cast(sum(records) as bigint) as records
    from accounting
    group by source, table_name, record_class
    having sum(records) > 0
)

select * from source_accounting
