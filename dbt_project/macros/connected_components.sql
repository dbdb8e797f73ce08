{#-
    Connected components of an undirected graph: one row per node with the smallest node id of its component.

    `nodes` is a relation with `node_id`, `edges` one with `left_id` and `right_id`; ids are integers, dense is fastest. Right on every
    shape, in O(log n) rounds: Shiloach and Vishkin's algorithm (J. Algorithms 3, 1982) in the form of FastSV (Zhang, Azad, Hu; SIAM PP 2020).
    Each round a node, its parent and its grandparent hook onto the smaller grandparent over every edge. Labels change, edges never do.
-#}
{% macro connected_components(nodes, edges) -%}
    {{ adapter.dispatch('connected_components', 'kinship')(nodes, edges) }}
{%- endmacro %}

{% macro duckdb__connected_components(nodes, edges) -%}
    with recursive

    arcs as (
        select left_id as from_id, right_id as to_id from {{ edges }} where left_id <> right_id
        union
        select right_id as from_id, left_id as to_id from {{ edges }} where left_id <> right_id
    ),

    components(node_id, component_id) using key (node_id) as (
        select node_id, node_id as component_id from {{ nodes }}

        union

        select hooks.node_id, min(hooks.component_id) as component_id
        from (
            -- over every edge: the node itself and its parent hook onto the neighbour's grandparent
            select unnest([arcs.from_id, parent.component_id]) as node_id, neighbour_grandparent.component_id
            from arcs
            inner join recurring.components as parent on arcs.from_id = parent.node_id
            inner join recurring.components as neighbour_parent on arcs.to_id = neighbour_parent.node_id
            inner join recurring.components as neighbour_grandparent
                on neighbour_parent.component_id = neighbour_grandparent.node_id
            where neighbour_grandparent.component_id < parent.component_id

            union all

            -- shortcut: a node follows its parent
            select parent.node_id, grandparent.component_id
            from recurring.components as parent
            inner join recurring.components as grandparent on parent.component_id = grandparent.node_id
            where grandparent.component_id < parent.component_id
        ) as hooks
        inner join recurring.components as held on hooks.node_id = held.node_id
        group by hooks.node_id, held.component_id
        having min(hooks.component_id) < held.component_id
    )

    select node_id, component_id from components
{%- endmacro %}

{% macro spark__connected_components(nodes, edges) -%}
    {{ exceptions.raise_compiler_error(
        "connected_components is not implemented on Spark yet: Spark has no keyed recursion, the loop needs a materialisation of its own."
    ) }}
{%- endmacro %}
