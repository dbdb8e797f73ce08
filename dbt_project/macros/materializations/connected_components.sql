{#-
    Materialises the connected components of an undirected graph that changes: one row per node that has or had an edge, `node_id` and
    `component_id`, the smallest node id of its component; a node without an edge left is its own component.

    The model's SQL returns the edges, all of them every time: `left_id` and `right_id`, integers; `is_current`, false for an edge that no longer
    counts; `changed_in`, the number of the batch in which the row last changed, which only rises. A pair may have several rows: it is an edge
    as long as one of them is current.

    The first run and --full-refresh solve everything; any other run only the components that rows with a `changed_in` above the last one solved touch
    (dbt_project/macros/components.sql). When the highest `changed_in` has fallen, the edges were built anew, and everything is solved again.

    The model is a view over <name>__labels and <name>__redirects; <name>__solved holds the last batch solved. On DuckDB all are written in one
    transaction; elsewhere the batch is noted last, and a run that died before is made good by the next one.
-#}
{% materialization connected_components, default %}
    {%- set target = this.incorporate(type='view') -%}
    {%- set edges = "(" ~ sql ~ ") as edges" -%}
    {%- set tables = {} -%}
    {%- for name in ['labels', 'redirects', 'solved'] -%}
        {%- do tables.update({name: this.incorporate(path={'identifier': this.identifier ~ '__' ~ name}, type='table')}) -%}
    {%- endfor -%}
    {%- for name in kinship.component_scratch() -%}
        {%- do tables.update({name: kinship.scratch_name(name)}) -%}
    {%- endfor -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set is_first = existing is none or existing.type != 'view' or load_cached_relation(tables.solved) is none -%}

    {{ run_hooks(pre_hooks) }}

    {#- opens the transaction, which run_query does not -#}
    {% call statement('main') -%}
        create table if not exists {{ tables.solved }} (solved_to bigint)
    {%- endcall %}

    {%- set solved_to = none -%}
    {%- if not is_first and not should_full_refresh() -%}
        {%- set solved_to = kinship.components_solved_to(edges, tables) -%}
    {%- endif -%}
    {%- if solved_to is none -%}
        {%- do kinship.solve_all_components(edges, tables) -%}
        {%- if existing is not none and existing.type != 'view' -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- do run_query("create or replace view " ~ target ~ " as " ~ kinship.current_components(tables)) -%}
    {%- else -%}
        {%- do kinship.solve_changed_components(edges, tables, solved_to) -%}
    {%- endif -%}

    {%- for name in kinship.component_scratch() -%}
        {%- do run_query("drop table if exists " ~ tables[name]) -%}
    {%- endfor -%}
    {{ run_hooks(post_hooks) }}
    {#- without it dbt rolls everything back and still reports success -#}
    {%- do adapter.commit() -%}
    {%- do persist_docs(target, model) -%}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro scratch_name(suffix) -%}
    {{ return(adapter.dispatch('scratch_name', 'kinship')(suffix)) }}
{%- endmacro %}

{#- Temporary tables have no schema. -#}
{% macro duckdb__scratch_name(suffix) -%}
    {{ return(this.identifier ~ '__' ~ suffix) }}
{%- endmacro %}

{% macro default__scratch_name(suffix) -%}
    {{ return(this.incorporate(path={'identifier': this.identifier ~ '__' ~ suffix}, type='table')) }}
{%- endmacro %}
