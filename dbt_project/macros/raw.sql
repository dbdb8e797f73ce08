{#
    The current records of one raw table, each with the file it came from (docs/sources.md).

    Adds `_file` (path within the source) and `_extracted_at`: where two records of one id tie on the system's own
    time of change, the one with the greater (_extracted_at, _file) is the later appearance. Give it an alias:
    `from {{ "{{ raw('vtiger', 'contacts') }}" }} as contacts`.
#}
{% macro raw(source_name, table_name) -%}
    (
        select
            record.*,
            extracted.file as _file,
            extracted.extracted_at as _extracted_at
        from {{ source(source_name, table_name) }} as record
        inner join {{ source(source_name, 'extracted_files') }} as extracted
            on record._file_id = extracted.file_id
        where extracted.is_current
    )
{%- endmacro %}
