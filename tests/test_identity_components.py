"""The connected components of the identity layer against networkx."""

import duckdb
import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import render

PARENTS = render("component_parents('labels')")
LABELS = render("component_labels('edges', 'parents')")
Edges = list[tuple[int, int]]


def components(count: int, edges: Edges) -> dict[int, int]:
    """The loop of the materialisation `connected_components`; nodes without an edge are alone."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table edges as select e[1] as left_id, e[2] as right_id from (select unnest(?::bigint[][]) as e)",
            [[list(edge) for edge in edges]],
        )
        connection.execute(
            "create table labels as select left_id as node_id, left_id as component_id from edges"
            " union select right_id, right_id from edges"
        )
        for _ in range(30):
            connection.execute(f"create or replace table parents as {PARENTS}")
            connection.execute(f"create or replace table labels as {LABELS}")
            changed = connection.execute(
                "select count(*) from labels inner join parents using (node_id) where component_id <> parent_id"
            ).fetchone()
            if changed == (0,):
                found = dict(connection.execute("select node_id, component_id from labels").fetchall())
                return {node: found.get(node, node) for node in range(count)}
    raise AssertionError("not settled after 30 rounds")


def oracle(count: int, edges: Edges) -> dict[int, int]:
    graph: nx.Graph[int] = nx.Graph(edges)
    graph.add_nodes_from(range(count))
    return {node: min(part) for part in nx.connected_components(graph) for node in part}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=60))
    )
)
def test_components_of_any_graph_equal_networkx(graph: tuple[int, Edges]) -> None:
    assert components(*graph) == oracle(*graph)


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param([(i, i + 1) for i in range(2999)], id="chain in order"),
        pytest.param([(i * 7 % 3000, (i + 1) * 7 % 3000) for i in range(2999)], id="chain out of order"),
        pytest.param([(2999, i) for i in range(2999)], id="star around the youngest"),
        pytest.param([(i, i - i % 60) for i in range(3000)], id="many small stars"),
    ],
)
def test_components_of_hard_shapes(edges: Edges) -> None:
    assert components(3000, edges) == oracle(3000, edges)
