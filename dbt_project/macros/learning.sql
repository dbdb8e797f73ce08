{#-
    How what is learned is kept until it is time to learn again (docs/recommendations.md). A model of moments has the moments that are learned from,
    and since when these hold (`changed_at`). Tables that are learned from them take over that time: one that lies behind is made anew, and
    `delete_older_learning` takes out what was learned before. A run broken off anywhere is made good by the next one.
-#}

{#- The rows of `moments` from which the table of this model has not been made yet. -#}
{% macro moments_to_learn(moments) -%}
    select * from {{ moments }}
    {%- if is_incremental() and execute and 'changed_at' in adapter.get_columns_in_relation(this) | map(attribute='name') %}
    where changed_at > (select coalesce(max(changed_at), cast('1970-01-01' as timestamp)) from {{ this }})
    {%- endif %}
{%- endmacro %}

{#- The rows of `lines`; none when there is nothing to learn from `moments`, for which an engine would else prepare joins of all orders. -#}
{% macro lines_to_learn_from(lines, moments) -%}
    (
        select * from {{ lines }}
        {%- if is_incremental() and execute
            and run_query('select count(*) from (' ~ moments_to_learn(moments) ~ ') as due').rows[0][0] == 0 %}
        where 1 = 0
        {%- endif %}
    )
{%- endmacro %}

{#- Deletes what is older than the latest of `moments`. A post-hook. -#}
{% macro delete_older_learning(moments) -%}
    {%- if is_incremental() -%}
    merge into {{ this }} as held
    using (select max(changed_at) as changed_at from {{ moments }}) as latest
        on held.changed_at < latest.changed_at or held.changed_at is null
    when matched then delete
    {%- endif -%}
{%- endmacro %}

{#- A digest of the SQL of models as it stands in their files, of variables, and of more SQL. -#}
{% macro code_of(models, variables, texts) -%}
    {%- set said = texts | list -%}
    {%- for name in variables -%}
        {%- do said.append(name ~ '=' ~ var(name)) -%}
    {%- endfor -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name in models -%}
            {%- do said.append(node.name ~ '=' ~ node.checksum.checksum) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- local_md5(said | sort | join(';')) -}}
{%- endmacro %}
