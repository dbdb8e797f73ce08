{#-
    How a table of latest appearances follows what was taken in since (docs/increments.md). Each row says in its column `file_id` out of which
    file its record is. Records of files that no row speaks of are read, and what is told of those records in other files; who was told by a
    file that no longer counts is read again whole. Each step may be broken off: the next run sees what is missing by the files alone.
    `key` is the raw table's column; this table calls it by the name of its `unique_key`.
-#}

{#- Raw records out of which the rows that are new or other than in this table can be made; all of them when there is no table yet. -#}
{% macro records_taken_in(source_name, table_name, key) -%}
    {%- set records = raw(source_name, table_name) -%}
    {%- if not follows_files(['file_id']) -%}
    {{ records }}
    {%- else -%}
    {%- set fresh = fresh_files(source_name, table_name) -%}
    {%- set first_file = run_query(first_file_told_again(records, fresh, source_name, table_name, key)).rows[0][0] -%}
    (
        select record.*
        from {{ records }} as record
        inner join ({{ fresh }}) as fresh on record._file_id = fresh.file_id
        {%- if first_file %}
        union all
        select record.*
        from {{ records }} as record
        inner join (
            select {{ key }} from ({{ gone_records(source_name, table_name, key) }}) as gone
            union
            select {{ key }} from ({{ records_told_again(records, fresh, key) }}) as again
        ) as known on record.{{ key }} = known.{{ key }}
        left join ({{ fresh }}) as fresh on record._file_id = fresh.file_id
        where record._file_id >= {{ dbt.string_literal(first_file) }} and fresh.file_id is null
        {%- endif %}
    )
    {%- endif -%}
{%- endmacro %}

{#- Whether this table is there and has the columns by which it follows the files. -#}
{% macro follows_files(columns) -%}
    {%- if is_incremental() and execute -%}
    {%- set held = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {{- 'yes' if columns | reject('in', held) | list | length == 0 -}}
    {%- endif -%}
{%- endmacro %}

{#-
    For records that are known by their content alone (`content`, an expression over `record`): raw records with it as `content_hash`, all
    of those that have a content which a fresh file tells or which a row out of a file that counts no more has. All of them when there is no
    table yet. A file's parts go from the last one on, or all at once (extraction's ledger): so who counts equal records in the order of
    the parts has no row of a part that stays under a number that is no more.
-#}
{% macro contents_taken_in(source_name, table_name, content) -%}
    (
        {%- if not follows_files(['file_id', 'content_hash']) %}
        select
            record.*,
            {{ content }} as content_hash
        from {{ raw(source_name, table_name) }} as record
        {%- else %}
        with fresh as (
            select
                record.*,
                {{ content }} as content_hash
            from {{ raw(source_name, table_name) }} as record
            inner join ({{ fresh_files(source_name, table_name) }}) as files on record._file_id = files.file_id
        ),

        touched as (
            select content_hash from fresh
            union
            {{ out_of_gone_files(source_name, 'content_hash') }}
        ),

        told_before as (
            select distinct held.file_id
            from {{ this }} as held
            inner join touched on held.content_hash = touched.content_hash
        ),

        again as (
            select
                record.*,
                {{ content }} as content_hash
            from {{ raw(source_name, table_name) }} as record
            inner join told_before on record._file_id = told_before.file_id
        )

        select * from fresh
        union all
        select again.*
        from again
        inner join touched on again.content_hash = touched.content_hash
        {%- endif %}
    )
{%- endmacro %}

{#- Deletes rows out of files that count no more. A post-hook. -#}
{% macro delete_gone_files(source_name) -%}
    {%- if is_incremental() -%}
    merge into {{ this }} as held
    using ({{ out_of_gone_files(source_name, config.get('unique_key')) }}) as gone
        on held.{{ config.get('unique_key') }} = gone.{{ config.get('unique_key') }}
    when matched then delete
    {%- endif -%}
{%- endmacro %}

{#- Files that count and that no row of this table is out of. One of which every record is told later elsewhere is among them each time. -#}
{% macro fresh_files(source_name, table_name) -%}
    select files.file_id
    from {{ source(source_name, 'extracted_files') }} as files
    left join (select distinct file_id from {{ this }}) as held on files.file_id = held.file_id
    where files.is_current and files.table_name = '{{ table_name }}' and held.file_id is null
{%- endmacro %}

{#- Records of this table that are out of a file which counts no more, and those that such a file says were deleted. -#}
{% macro gone_records(source_name, table_name, key) -%}
    {{ out_of_gone_files(source_name, config.get('unique_key'), key) }}
    union
    select record.{{ key }}
    from {{ source(source_name, table_name) }} as record
    inner join {{ source(source_name, 'extracted_files') }} as files on record._file_id = files.file_id
    where record._kinship_deleted_at is not null and not files.is_current
{%- endmacro %}

{#- What the rows of this table that are out of a file which counts no more have in `column`. -#}
{% macro out_of_gone_files(source_name, column, name=none) -%}
    select held.{{ column }}{{ ' as ' ~ name if name and name != column }}
    from {{ this }} as held
    left join {{ source(source_name, 'extracted_files') }} as files on held.file_id = files.file_id and files.is_current
    where files.file_id is null
{%- endmacro %}

{#- Records of this table that fresh files tell again, each with the file it is out of. -#}
{% macro records_told_again(records, fresh, key) -%}
    select distinct
        record.{{ key }},
        held.file_id
    from {{ this }} as held
    inner join {{ records }} as record on held.{{ config.get('unique_key') }} = record.{{ key }}
    inner join ({{ fresh }}) as fresh on record._file_id = fresh.file_id
{%- endmacro %}

{#-
    The first file that must be read for records told again or gone; NULL when there are none. File ids grow with time, and the row held is
    later than all that was told of its record before.
-#}
{% macro first_file_told_again(records, fresh, source_name, table_name, key) -%}
    select min(file_id) as file_id
    from (
        select file_id from ({{ records_told_again(records, fresh, key) }}) as again
        union all
        select record._file_id as file_id
        from {{ records }} as record
        inner join ({{ gone_records(source_name, table_name, key) }}) as gone on record.{{ key }} = gone.{{ key }}
    ) as told
{%- endmacro %}

{#-
    Deletes rows of records that no file tells of any more, or of which the latest word is that they were deleted. A post-hook. Hardly any
    source tells of deletions: where none does, nothing is put in order to find the latest word.
-#}
{% macro delete_untold(source_name, table_name, key, changed_at=none) -%}
    {%- if is_incremental() -%}
    {%- set records = raw(source_name, table_name) -%}
    {%- set words = 'select distinct ' ~ key ~ ' from ' ~ records ~ ' as told where _kinship_deleted_at is not null' -%}
    {%- set deleted -%}
    (
        select record.*
        from {{ records }} as record
        inner join ({{ words }}) as deleted on record.{{ key }} = deleted.{{ key }}
    )
    {%- endset -%}
    merge into {{ this }} as held
    using (
        select {{ key }}
        from ({{ out_of_gone_files(source_name, config.get('unique_key'), key) }}) as gone
        {%- if run_query('select count(*) from (' ~ words ~ ') as deleted').rows[0][0] %}
        union
        select {{ key }}
        from ({{ ranked_appearances(deleted, key, changed_at) }}
        ) as ranked
        where appearance = 1 and _kinship_deleted_at is not null
        {%- endif %}
    ) as untold
        on held.{{ config.get('unique_key') }} = untold.{{ key }}
    when matched then delete
    {%- endif -%}
{%- endmacro %}
