{#- What the models of the identity layer share. -#}

{#- Strongest evidence first: level, tier, weight, and by its id what still ties. What `collect_structs` and `collect_values` order by. -#}
{% macro evidence_order(relation) -%}
    {{ relation }}.level, {{ relation }}.tier, -{{ relation }}.weight, {{ relation }}.evidence_id
{%- endmacro %}

{#- Bits that speak against two records which were never found alike: below -3.2, how far is not known (NO_EDGE in kinship/identity/hygiene.py). -#}
{% macro identity_bits_apart() -%}
    5.0
{%- endmacro %}

{#-
    The nodes of every component in which evidence changed since batch `last` (an expression), as node_id and component_id; of every
    component when `last` is none. Whatever changes a component - a link, a claim or a veto, come or gone - has its ends there.
-#}
{% macro dirty_nodes(last) -%}
    select
        components.node_id,
        components.component_id
    from {{ ref('int_identity__components') }} as components
    {%- if last is not none %}
    where components.component_id in (
        select touched.component_id
        from {{ ref('int_identity__components') }} as touched
        inner join (
            select left_id as node_id from {{ ref('int_identity__evidence') }} where changed_in > {{ last }}
            union
            select right_id as node_id from {{ ref('int_identity__evidence') }} where changed_in > {{ last }}
        ) as changed on touched.node_id = changed.node_id
    )
    {%- endif %}
{%- endmacro %}
