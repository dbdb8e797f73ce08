{#-
    What the folder models/segments/ promises of every file in it, set once as post-hooks in dbt_project.yml:
    the table is one column `customer_id`, no NULL, no twin, only customers; and who entered and left is written to `segment_memberships`.
-#}

{#- Stops the run when a segment's table is not a set of customers. Returns no SQL. -#}
{% macro check_segment() -%}
    {%- if model.name != 'segment_memberships' -%}
        {%- set customers = ref('customers') -%}
        {%- if execute -%}
            {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
            {%- if columns != ['customer_id'] -%}
                {{ exceptions.raise_compiler_error(
                    model.original_file_path ~ ": a segment returns one column, customer_id; this one returns " ~ columns | join(', ')
                ) }}
            {%- endif -%}
            {%- set faults = run_query(
                "select count(*) - count(customer_id), count(customer_id) - count(distinct customer_id), "
                ~ "count(distinct case when customer_id not in (select customer_id from " ~ customers ~ ") then customer_id end) from " ~ this
            ).rows[0] -%}
            {%- if faults[0] or faults[1] or faults[2] -%}
                {{ exceptions.raise_compiler_error(
                    model.original_file_path ~ ": a segment is a set of customers; found " ~ faults[0] ~ " rows without customer_id, "
                    ~ faults[1] ~ " repeated rows and " ~ faults[2] ~ " ids that are not in customers"
                ) }}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Ends the memberships of those who are no longer in this segment. -#}
{% macro close_memberships() -%}
    {%- if model.name != 'segment_memberships' -%}
        merge into {{ ref('segment_memberships') }} as memberships
        using (
            select customer_id, {{ as_of() }} as left_at
            from {{ ref('segment_memberships') }}
            where segment = '{{ model.name }}' and left_at is null and customer_id not in (select customer_id from {{ this }})
        ) as gone
            on memberships.segment = '{{ model.name }}' and memberships.left_at is null and memberships.customer_id = gone.customer_id
        when matched then update set left_at = gone.left_at
    {%- endif -%}
{%- endmacro %}

{#- Begins a membership for those who are new in this segment. -#}
{% macro open_memberships() -%}
    {%- if model.name != 'segment_memberships' -%}
        insert into {{ ref('segment_memberships') }} (segment, customer_id, entered_at, left_at)
        select '{{ model.name }}', customer_id, {{ as_of() }}, cast(null as timestamp)
        from {{ this }}
        where customer_id not in (
            select customer_id from {{ ref('segment_memberships') }}
            where segment = '{{ model.name }}' and left_at is null
        )
    {%- endif -%}
{%- endmacro %}

{#- Ends the memberships of segments whose file is gone. -#}
{% macro close_removed_segments() -%}
    {%- set segments = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'segments' -%}
            {%- do segments.append("'" ~ node.name ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    merge into {{ this }} as memberships
    using (select {{ as_of() }} as left_at) as gone
        on memberships.left_at is null and memberships.segment not in ({{ segments | join(', ') or "''" }})
    when matched then update set left_at = gone.left_at
{%- endmacro %}
