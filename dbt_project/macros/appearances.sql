{#-
    A record that changes appears again, whole, in a later file. These macros order the appearances of one raw table.
    Which one is later: the system's own time of change, then when and from which file we took it; what still ties is ordered by
    its text, so that two runs never disagree. `relation` stands in for the raw table where the key or the time must first be
    taken out of something else.
-#}

{#- The latest appearance of each record: the raw table's columns, one row per `key` (a column or a list of columns). -#}
{% macro latest_appearances(source_name, table_name, key, changed_at=none, relation=none) -%}
    select *
    from (
        select
            record.*,
            row_number() over (
                partition by {{ appearance_key(key) }}
                order by {{ later_first(changed_at) }}
            ) as appearance
        from {{ relation or raw(source_name, table_name) }} as record
    ) as appearances
    where appearance = 1
{%- endmacro %}

{#-
    Every appearance of each record, with what later models need to tell its history: `changed_at`, `is_latest`, and `seen_from`,
    the time since when the record is known to have looked so (its creation for the first appearance, then its change).
-#}
{% macro all_appearances(source_name, table_name, key, changed_at, created_at=none, relation=none) -%}
    select
        appearances.*,
        {{ utc_timestamp(changed_at) }} as changed_at,
        appearance = 1 as is_latest,
        case
            when appearance = number_of_appearances
                then coalesce({{ utc_timestamp(created_at) if created_at else 'null' }}, {{ utc_timestamp(changed_at) }})
            else {{ utc_timestamp(changed_at) }}
        end as seen_from
    from (
        select
            record.*,
            row_number() over (
                partition by {{ appearance_key(key) }}
                order by {{ later_first(changed_at) }}
            ) as appearance,
            count(*) over (partition by {{ appearance_key(key) }}) as number_of_appearances
        from {{ relation or raw(source_name, table_name) }} as record
    ) as appearances
{%- endmacro %}

{% macro appearance_key(key) -%}
    {%- for column in ([key] if key is string else key) -%}
        record.{{ column }}{% if not loop.last %}, {% endif %}
    {%- endfor -%}
{%- endmacro %}

{% macro later_first(changed_at) -%}
    {%- if changed_at %}{{ utc_timestamp('record.' ~ changed_at) }} desc nulls last, {% endif -%}
    record._extracted_at desc, record._file desc, {{ row_as_text('record') }}
{%- endmacro %}
