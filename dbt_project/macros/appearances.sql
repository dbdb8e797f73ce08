{#-
    A record that changes appears again, whole, in a later file. These macros order the appearances of one raw table.
    Which one is later: the system's own time of change, then when and from which file we took it; what still ties is ordered by
    a hash of its content, so that two runs never disagree. `relation` stands in for the raw table where the key or the time must
    first be taken out of something else.

    A live source also tells what was deleted there: by a record with the time in `_kinship_deleted_at`. A record whose latest
    appearance is such a one is gone, with all its appearances.
-#}

{#- The latest appearance of each record: the raw table's columns, one row per `key` (a column or a list of columns). -#}
{% macro latest_appearances(source_name, table_name, key, changed_at=none, relation=none) -%}
    select *
    from ({{ ranked_appearances(relation or raw(source_name, table_name), key, changed_at) }}
    ) as ranked
    where appearance = 1 and _kinship_deleted_at is null
{%- endmacro %}

{#-
    Every appearance of each record, with what later models need to tell its history: `changed_at`, `is_latest`, and `seen_from`,
    the time since when the record is known to have looked so (its creation for the first appearance, then its change).
-#}
{% macro all_appearances(source_name, table_name, key, changed_at, created_at=none, relation=none) -%}
    select
        ranked.*,
        {{ utc_timestamp(changed_at) }} as changed_at,
        appearance = 1 as is_latest,
        case
            when appearance = number_of_appearances
                then coalesce({{ utc_timestamp(created_at) if created_at else 'null' }}, {{ utc_timestamp(changed_at) }})
            else {{ utc_timestamp(changed_at) }}
        end as seen_from
    from ({{ ranked_appearances(relation or raw(source_name, table_name), key, changed_at) }}
    ) as ranked
    where latest_deleted_at is null and _kinship_deleted_at is null
{%- endmacro %}

{#-
    Each appearance with its place: `appearance` (1 is the latest) of `number_of_appearances`, and when the record was deleted if
    the latest says so: `latest_deleted_at`.

    Only records that appear more than once are sorted: of 83,725 web messages that is one in 300, and sorting them all, wide as
    they are, took five times as long.
-#}
{% macro ranked_appearances(relation, key, changed_at=none) -%}
    {%- set columns = [key] if key is string else key %}
        with records as (
            select * from {{ relation }} as record
        ),

        repeated as (
            select
                {{ columns | join(', ') }},
                count(*) as number_of_appearances
            from records
            group by {{ columns | join(', ') }}
            having count(*) > 1
        )

        select
            records.*,
            1 as appearance,
            1 as number_of_appearances,
            records._kinship_deleted_at as latest_deleted_at
        from records
        left join repeated on {{ same_key(columns) }}
        where repeated.number_of_appearances is null
        union all
        select
            records.*,
            row_number() over latest_first as appearance,
            repeated.number_of_appearances,
            first_value(records._kinship_deleted_at) over latest_first as latest_deleted_at
        from records
        inner join repeated on {{ same_key(columns) }}
        window latest_first as (
            partition by {% for column in columns %}records.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
            order by
                {% if changed_at %}{{ utc_timestamp('records.' ~ changed_at) }} desc nulls last, {% endif -%}
                records._extracted_at desc, records._file desc, {{ row_hash('records') }}
        )
{%- endmacro %}

{% macro same_key(columns) -%}
    {% for column in columns %}records.{{ column }} is not distinct from repeated.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}
