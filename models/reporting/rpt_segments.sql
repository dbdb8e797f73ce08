{#-
    What the headers in models/segments/ say, and which syncs read each segment: for whoever has the tables and not the files. It is made from dbt's own
    list of the project's files, which knows no rows.
-#}
{%- set segments = [] %}
{%- set syncs = [] %}
{%- if execute %}
{%- for node in graph.nodes.values() if node.resource_type == 'model' %}
{%- if node.fqn[1] == 'segments' and 'memberships' not in node.fqn %}
{%- do segments.append(node) %}
{%- elif node.config.get('meta', {}).get('sync') %}
{%- do syncs.append(node) %}
{%- endif %}
{%- endfor %}
{%- endif %}
{%- set all_segments = 'model.kinship.segment_memberships' %}

with

segments as (
    {%- for segment in segments | sort(attribute='name') %}
    {%- set readers = [] %}
    {%- for sync in syncs | sort(attribute='name')
        if segment.unique_id in sync.depends_on.nodes or all_segments in sync.depends_on.nodes %}
    {%- do readers.append(sync.name) %}
    {%- endfor %}
    select
        {{ text_literal(segment.name) }} as segment,
        {{ text_literal(segment_header('What', segment)) }} as what,
        {{ text_literal(segment_header('Owner', segment)) }} as owner,
        {{ text_literal(segment_header('Purpose', segment)) }} as purpose,
        {{ text_literal(readers | join(', ')) }} as syncs
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as {{ dbt.type_string() }}) as what,
        cast(null as {{ dbt.type_string() }}) as owner,
        cast(null as {{ dbt.type_string() }}) as purpose,
        cast(null as {{ dbt.type_string() }}) as syncs
    where 1 = 0
    {%- endfor %}
)

select * from segments
