{#- The two steps of a round of the materialisation `connected_components`. -#}

{#- Each node with its parent and its grandparent, out of the labels so far. -#}
{% macro component_parents(labels) -%}
    select
        label.node_id,
        label.component_id as parent_id,
        parent.component_id as grandparent_id
    from {{ labels }} as label
    inner join {{ labels }} as parent on label.component_id = parent.node_id
{%- endmacro %}

{#- The labels after one round: of every edge's two ends the one with the greater grandparent, and its parent, hook onto the smaller grandparent. -#}
{% macro component_labels(edges, parents) -%}
    with

    hooks as (
        select
            case when lefts.grandparent_id > rights.grandparent_id then lefts.node_id else rights.node_id end as node_id,
            case when lefts.grandparent_id > rights.grandparent_id then lefts.parent_id else rights.parent_id end as parent_id,
            least(lefts.grandparent_id, rights.grandparent_id) as component_id
        from {{ edges }} as edges
        inner join {{ parents }} as lefts on edges.left_id = lefts.node_id
        inner join {{ parents }} as rights on edges.right_id = rights.node_id
        where lefts.grandparent_id <> rights.grandparent_id
    ),

    candidates as (
        select node_id, component_id from hooks
        union all
        select parent_id as node_id, component_id from hooks
        union all
        select node_id, grandparent_id as component_id from {{ parents }}
    )

    select node_id, min(component_id) as component_id from candidates group by node_id
{%- endmacro %}
