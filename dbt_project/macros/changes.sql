{#-
    How a table per person, or per record, is kept up by those touched (docs/increments.md). A model of changes (int_..._changes) holds a
    fingerprint of all that is known of each, and when it last was another. Who has changed since the table was written
    is built again and appended; `delete_stale` then takes out their older rows. Each step may be broken off: the next run sees what is missing by the moments alone.
    `key` is what tells one from another: ['customer_id'], or ['source', 'record_id'].
-#}

{#- A number for the columns of a row: the same for equal rows, another for others (but for one in 2^64). Holds within one version of the engine. -#}
{% macro columns_hash(columns) -%}
    {{ adapter.dispatch('columns_hash', 'kinship')(columns) }}
{%- endmacro %}

{% macro duckdb__columns_hash(columns) -%}
    cast(hash({{ columns | join(', ') }}) as decimal(38, 0))
{%- endmacro %}

{#- Spark passes over what is NULL, so that a value that moved to the next column would not be seen. -#}
{% macro spark__columns_hash(columns) -%}
    cast(xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %}) as decimal(38, 0))
{%- endmacro %}

{#- One row: what the tables `relations` hold, such as the seeds that everybody's rows depend on. -#}
{% macro fingerprint_of_tables(relations) -%}
    select sum(said) as said
    from (
        {%- for relation in relations %}
        select {{ columns_hash([loop.index, 'count(*)', 'sum(' ~ 'cast(' ~ row_hash('seed') ~ ' as decimal(38, 0))' ~ ')']) }} as said
        from {{ relation }} as seed
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ) as tables
{%- endmacro %}

{#- One row per record of which `facts` (source, record_id and `columns`) says anything: what it says. -#}
{% macro fingerprints_by_record(facts, columns) -%}
    select
        source,
        record_id,
        sum({{ columns_hash(columns) }}) as said
    from {{ facts }}
    group by source, record_id
{%- endmacro %}

{#- One row per person of the CTE `identity_graph` to whom a record of `records` (source, record_id, said) belongs: what they say. -#}
{% macro fingerprints_by_person(records) -%}
    select
        identity_graph.customer_id,
        sum({{ columns_hash(['records.source', 'records.record_id', 'records.said']) }}) as said
    from {{ records }} as records
    inner join identity_graph on records.source = identity_graph.source and records.record_id = identity_graph.record_id
    group by identity_graph.customer_id
{%- endmacro %}

{#-
    What a model of changes writes: of `found` (`key`, fingerprint) those who are new or of whom something else is known than what is held;
    those of whom nothing is known any more stay, with no fingerprint.
-#}
{% macro changed_fingerprints(found, key=['customer_id']) -%}
    {% if is_incremental() -%}
    select
        {%- for column in key %}
        coalesce(found.{{ column }}, held.{{ column }}) as {{ column }},
        {%- endfor %}
        found.fingerprint,
        {{ current_utc() }} as changed_at
    from {{ found }} as found
    full join {{ this }} as held on {% for column in key %}found.{{ column }} = held.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    where found.fingerprint is distinct from held.fingerprint
    {%- else -%}
    select
        {{ key | join(', ') }},
        fingerprint,
        {{ current_utc() }} as changed_at
    from {{ found }}
    {%- endif %}
{%- endmacro %}

{#-
    Who by `changes` has changed since this table was written: their `key`. A table that an older version of its model made does not say
    when: everybody is built again.
-#}
{% macro touched(changes, key) -%}
    select {{ key | join(', ') }}
    from {{ changes }}
    {%- if execute and 'changed_at' in adapter.get_columns_in_relation(this) | map(attribute='name') %}
    where changed_at > (select coalesce(max(changed_at), cast('1970-01-01' as timestamp)) from {{ this }})
    {%- endif %}
{%- endmacro %}

{#- The ids of those people. -#}
{% macro touched_people(changes) -%}
    {{ touched(changes, ['customer_id']) }}
{%- endmacro %}

{#- The moment up to which `changes` has been looked at: what a table writes into its column `changed_at`. -#}
{% macro changes_up_to(changes) -%}
    (select max(changed_at) from {{ changes }})
{%- endmacro %}

{#- Deletes rows of those who have changed since they were written. A post-hook. -#}
{% macro delete_stale(changes, key=['customer_id']) -%}
    {%- if is_incremental() -%}
    merge into {{ this }} as held
    using {{ changes }} as changes
        on
            {% for column in key %}held.{{ column }} = changes.{{ column }} and {% endfor -%}
            (held.changed_at < changes.changed_at or held.changed_at is null)
    when matched then delete
    {%- endif -%}
{%- endmacro %}
