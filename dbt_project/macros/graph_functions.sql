{#-
    Graph algorithms as functions over lists (kinship/identity/functions.py): pure, and NULL counts as an empty list.

    Take their result apart in a step of its own, `select unnest(...)`: naming it twice may compute it twice. One call for all components is
    better than one for each: a call costs a third of a millisecond before it does anything.
-#}

{#- Two lists of node ids, the ends of the edges -> a list of (node_id, component_id), component_id being the smallest node id. -#}
{% macro solved_components(lefts, rights) -%}
    {{ adapter.dispatch('solved_components', 'kinship')(lefts, rights) }}
{%- endmacro %}

{% macro default__solved_components(lefts, rights) -%}
    connected_components({{ lefts }}, {{ rights }})
{%- endmacro %}

{#- The ends of the edges, strongest first -> a list of booleans, true for the edges of the spanning forest that Kruskal's algorithm keeps. -#}
{% macro spanning_forest(lefts, rights) -%}
    {{ adapter.dispatch('spanning_forest', 'kinship')(lefts, rights) }}
{%- endmacro %}

{% macro default__spanning_forest(lefts, rights) -%}
    spanning_forest({{ lefts }}, {{ rights }})
{%- endmacro %}

{#-
    Links, strongest first, the claims and the pairs that must stay apart -> a list of (edge_id, reason) of the links that are refused.
    The lists hold structs: (edge_id, left_id, right_id, weight, is_probabilistic, is_decided), (node_id, claim_type, value_hash, most) and
    (left_id, right_id). `largest` is the size above which a component is suspicious.
-#}
{% macro refused_evidence(links, claims, aparts, largest) -%}
    {{ adapter.dispatch('refused_evidence', 'kinship')(links, claims, aparts, largest) }}
{%- endmacro %}

{% macro default__refused_evidence(links, claims, aparts, largest) -%}
    admit_evidence({{ links }}, {{ claims }}, {{ aparts }}, {{ largest }})
{%- endmacro %}
