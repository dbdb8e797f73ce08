{#-
    What the snapshot of people needs beside dbt's own materialisation, so that its times are the as-of moments and not the wall clock's.
    The snapshot has `valid_from` and `valid_to`; its last moment is the latest of both. All run on DuckDB and on Delta.
-#}

{#- [the as-of moment, the last moment of the history or none], as text. -#}
{% macro history_moments(history) -%}
    {%- set latest = "(select cast(max(coalesce(valid_to, valid_from)) as string) from " ~ history ~ ")" if history else "null" -%}
    {{ return(run_query("select cast(" ~ as_of() ~ " as string), " ~ latest).rows[0].values()) }}
{%- endmacro %}

{#-
    Before a snapshot: a build that looks from the last moment again, knowing more or other rules, says anew what was known then.
-#}
{% macro reopen_history() -%}
    {%- set history = load_relation(this) if execute -%}
    {%- if history -%}
        {%- set as_of, latest = history_moments(history) -%}
        {%- if as_of == latest -%}
            {%- do run_query("delete from " ~ history ~ " where valid_from = cast('" ~ latest ~ "' as timestamp)") -%}
            {%- do run_query("update " ~ history ~ " set valid_to = null where valid_to = cast('" ~ latest ~ "' as timestamp)") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The condition under which a snapshot writes: who looks from an earlier moment, to try something, leaves the history alone. -#}
{% macro history_moves_on() -%}
    {%- set history = load_relation(this) if execute -%}
    {%- set as_of, latest = history_moments(history) if execute else [none, none] -%}
    {{ 'true' if not latest or as_of >= latest else 'false' }}
{%- endmacro %}

{#-
    Whether a person of `people` is new or another than the history says by `columns`. dbt hashes and compares whom it is given three times over,
    so it is given these only.
-#}
{% macro is_not_in_history(people, columns) -%}
    {%- set history = load_relation(this) if execute -%}
    {%- set held = adapter.get_columns_in_relation(history) | map(attribute='name') | list if history else [] -%}
    {%- if columns | reject('in', held) | list -%}
    true
    {%- else -%}
    not exists (
        select 1
        from {{ history }} as held
        where
            held.customer_id = {{ people }}.customer_id
            and held.valid_to is null
            {%- for column in columns %}
            and held.{{ column }} is not distinct from {{ people }}.{{ column }}
            {%- endfor %}
    )
    {%- endif -%}
{%- endmacro %}

{#- After a snapshot: who is not in `people` any more (merged into another, or gone) ends now. -#}
{% macro close_history(people) -%}
    {%- if execute and history_moves_on() == 'true' -%}
        {%- do run_query(
            "merge into " ~ this ~ " as history using (select customer_id, " ~ as_of() ~ " as gone_at from " ~ this
            ~ " where valid_to is null and customer_id not in (select customer_id from " ~ people ~ ")) as gone"
            ~ " on history.customer_id = gone.customer_id and history.valid_to is null"
            ~ " when matched then update set valid_to = gone.gone_at"
        ) -%}
    {%- endif -%}
{%- endmacro %}
