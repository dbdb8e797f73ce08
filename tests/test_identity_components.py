"""Connected components, in memory, in the warehouse and incrementally, against networkx."""

import random
import shutil
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from component_tables import ComponentTables
from conftest import DBT, ROOT, call, environment
from hypothesis import given, settings
from hypothesis import strategies as st

from kinship.identity import components
from kinship.identity.components import connected_components, spanning_forest

Edges = list[tuple[int, int]]
Row = tuple[int, int, bool, int]
"""left_id, right_id, is_current, changed_in"""

SIZE = 3000
ORDER = random.Random(1).sample(range(SIZE), SIZE)
SHAPES = {
    "chain in order": [(i, i + 1) for i in range(SIZE - 1)],
    "chain backwards": [(i + 1, i) for i in reversed(range(SIZE - 1))],
    "chain out of order": list(pairwise(ORDER)),
    "star around the oldest": [(0, i) for i in range(SIZE)],
    "star around the youngest": [(SIZE - 1, i) for i in range(SIZE)],
    "many small stars": [(i, i - i % 60) for i in range(SIZE)],
    "a giant and many small ones": [(ORDER[i], ORDER[i * 7919 % SIZE]) for i in range(2200)],
}
ENGINES = ["duckdb", "spark"]  # the functions, and the loop of statements


def oracle(rows: Iterable[Row]) -> dict[int, int]:
    """One component per node that has or had an edge."""
    graph: nx.Graph[int] = nx.Graph()
    for left, right, is_current, _ in rows:
        graph.add_nodes_from((left, right))
        if is_current:
            graph.add_edge(left, right)
    return {node: min(part) for part in nx.connected_components(graph) for node in part}


def in_memory(edges: Edges) -> dict[int, int]:
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    nodes, smallest = connected_components(ends[:, 0].copy(), ends[:, 1].copy())
    assert (np.diff(nodes) > 0).all()
    return dict(zip(nodes.tolist(), smallest.tolist(), strict=True))


def current(edges: Edges) -> list[Row]:
    return [(left, right, True, 1) for left, right in edges]


def write(connection: duckdb.DuckDBPyConnection, rows: Iterable[Row]) -> None:
    """The table `evidence` anew."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    types = [pa.int64(), pa.int64(), pa.bool_(), pa.int64()]
    names = ["left_id", "right_id", "is_current", "changed_in"]
    table = pa.table([pa.array(values, kind) for values, kind in zip(columns, types, strict=True)], names=names)
    connection.register("rows", table)
    connection.execute("create or replace table evidence as from rows")
    connection.unregister("rows")


def solved(engine: str, *states: list[Row]) -> ComponentTables:
    """The tables after one update per state of the evidence."""
    connection = duckdb.connect()
    for number, rows in enumerate(states):
        write(connection, rows)
        if number == 0:
            tables = ComponentTables(connection, "evidence", engine)
        tables.update()
    return tables


graphs = st.integers(1, 40).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=60))


@settings(max_examples=200, deadline=None)
@given(graphs, st.sampled_from([1, 50, 10**9]), st.integers(-(10**12), 10**12))
def test_any_graph_equals_networkx_wherever_its_ids_lie(edges: Edges, spread: int, start: int) -> None:
    edges = [(left * spread + start, right * spread + start) for left, right in edges]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "SMALL", 8)
        assert in_memory(edges) == oracle(current(edges))


@settings(max_examples=200, deadline=None)
@given(graphs, st.sampled_from([1, 10**9]))
def test_the_spanning_forest_is_kruskals(edges: Edges, spread: int) -> None:
    edges = [(left * spread, right * spread) for left, right in edges]
    clusters: nx.utils.UnionFind[int] = nx.utils.UnionFind()
    expected = []
    for left, right in edges:
        expected.append(clusters[left] != clusters[right])
        clusters.union(left, right)
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    assert spanning_forest(ends[:, 0].copy(), ends[:, 1].copy()).tolist() == expected


def test_lists_of_unequal_length_are_no_edges() -> None:
    with pytest.raises(ValueError, match="2 left ends and 1 right ends"):
        connected_components(np.array([1, 2]), np.array([3]))


@pytest.mark.parametrize("shape", SHAPES)
def test_hard_shapes_in_memory(shape: str) -> None:
    assert in_memory(SHAPES[shape]) == oracle(current(SHAPES[shape]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_hard_shapes_in_the_warehouse(shape: str, engine: str) -> None:
    tables = solved(engine, current(SHAPES[shape]))
    assert tables.labels() == oracle(current(SHAPES[shape]))
    assert tables.rounds == 0 if engine == "duckdb" else 0 < tables.rounds < 30


def test_the_loop_fails_when_it_does_not_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = solved("spark", current([(1, 2)]))
    run = tables.run_query

    def never_settles(sql: str) -> object:
        return type(run(sql))(rows=[(7,)]) if sql.startswith("select count(*)") else run(sql)

    monkeypatch.setattr(tables, "run_query", never_settles)
    with pytest.raises(RuntimeError, match="not settled after 60 rounds; 7 labels still change"):
        tables.update(full_refresh=True)
    tables.connection.execute("rollback")
    assert tables.labels() == {1: 1, 2: 1}


# Lonely nodes, so many that the redirects are not folded into the labels at once.
CROWD = [(-1 - i, -1 - i, True, 1) for i in range(300)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Row]]:
    """The evidence after each of a few batches: rows come, go, come back or are touched; a pair may have several."""
    count = draw(st.integers(2, 12))
    nodes = st.integers(0, count - 1)
    rows: list[Row] = []
    states = []
    for batch in range(1, draw(st.integers(2, 5)) + 1):
        for place in draw(st.sets(st.integers(0, max(len(rows) - 1, 0)), max_size=4)) if rows else ():
            left, right, is_current, _ = rows[place]
            rows[place] = (left, right, draw(st.booleans()) != is_current, batch)
        new = st.tuples(nodes, nodes, st.sampled_from([True, True, True, False]), st.just(batch))
        rows += draw(st.lists(new, max_size=6))
        states.append(list(rows))
    return states


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=30, deadline=None)
@given(states=histories(), crowd=st.sampled_from([[], CROWD]))
def test_incremental_equals_full_equals_networkx(engine: str, states: list[list[Row]], crowd: list[Row]) -> None:
    connection = duckdb.connect()
    write(connection, [])
    tables = ComponentTables(connection, "evidence", engine)
    for rows in states:
        write(connection, crowd + rows)
        tables.update()
        assert tables.labels() == oracle(crowd + rows)
    tables.update(full_refresh=True)
    assert tables.labels() == oracle(crowd + states[-1])


@settings(max_examples=15, deadline=None)
@given(states=histories(), seed=st.integers(0, 1000))
def test_names_and_order_do_not_matter(states: list[list[Row]], seed: int) -> None:
    chance = random.Random(seed)
    names = chance.sample(range(10**6), 12)
    renamed = [[(names[a], names[b], is_current, batch) for a, b, is_current, batch in rows] for rows in states]
    for rows in renamed:
        chance.shuffle(rows)
    parts, renamed_parts = (
        {frozenset(node for node, label in labels.items() if label == part) for part in labels.values()}
        for labels in (solved("duckdb", *states).labels(), solved("duckdb", *renamed).labels())
    )
    assert renamed_parts == {frozenset(names[node] for node in part) for part in parts}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pair_is_an_edge_as_long_as_one_row_says_so(engine: str) -> None:
    both = [(1, 2, True, 1), (2, 1, True, 1), (2, 3, True, 1)]
    one = [(1, 2, False, 2), *both[1:]]
    none = [(1, 2, False, 2), (2, 1, False, 3), (2, 3, True, 1)]
    assert solved(engine, both, one).labels() == {1: 1, 2: 1, 3: 1}
    assert solved(engine, both, one, none).labels() == {1: 1, 2: 2, 3: 2}


@pytest.mark.parametrize("engine", ENGINES)
def test_who_has_no_edge_left_is_alone(engine: str) -> None:
    assert solved(engine, current([(1, 2)]), [(1, 2, False, 2)]).labels() == {1: 1, 2: 2}


def test_losers_are_redirected_and_in_the_end_relabelled() -> None:
    pairs = [(2 * i, 2 * i + 1, True, 1) for i in range(50)]
    few = [*pairs, (1, 3, True, 2)]
    tables = solved("duckdb", pairs, few)
    assert tables.connection.execute(f"from {tables.tables['redirects']}").fetchall() == [(2, 0)]
    many = [*few, *((1, 2 * i, True, 3) for i in range(5, 30))]
    write(tables.connection, many)
    tables.update()
    assert tables.connection.execute(f"select count(*) from {tables.tables['redirects']}").fetchall() == [(0,)]
    assert tables.labels() == oracle(many)


def test_nothing_new_writes_nothing() -> None:
    rows = current([(1, 2), (2, 3)])
    tables = solved("duckdb", rows, rows)
    assert [sql.split()[0] for sql in tables.statements] == ["select", "create", "select"]
    assert "temp table" in tables.statements[1]


def test_edges_that_are_built_anew_are_solved_anew() -> None:
    old = [(1, 2, True, 7)]
    new = [(5, 6, True, 1)]
    assert solved("duckdb", old, new).labels() == {5: 5, 6: 5}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_dies_leaves_the_old_components(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = CROWD + current([(1, 2), (2, 3), (4, 5), (5, 6)])
    after = [*before[:-3], (2, 3, False, 2), *before[-2:], (3, 4, True, 2), (6, 7, True, 2)]
    statements = len(solved(engine, before, after).statements)
    assert statements > 10
    for dies_at in range(statements):
        tables = solved(engine, before)
        write(tables.connection, after)
        run = tables.run_query

        def run_or_die(sql: str, tables: ComponentTables = tables, run: Any = run, dies_at: int = dies_at) -> object:
            if len(tables.statements) == dies_at:
                raise RuntimeError("dies here")
            return run(sql)

        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="dies here"):
            patch.setattr(tables, "run_query", run_or_die)
            tables.update()
        tables.connection.execute("rollback")
        assert tables.labels() == oracle(before)
        tables.update()
        assert tables.labels() == oracle(after)


PROJECT = """
name: kinship
profile: kinship
macro-paths: [macros]
flags: {send_anonymous_usage_stats: false}
"""
MODEL = """
{{ config(materialized='connected_components', post_hook="{{ env_var('LAST_STATEMENT', '') }}") }}
with evidence as (select * from main.evidence)
select left_id, right_id, is_current, changed_in from evidence
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A dbt project with this one's profile and macros, and a model `components`, where a table stands so far."""
    (tmp_path / "macros").mkdir()
    for name in (
        "components.sql",
        "graph_functions.sql",
        "json.sql",
        "lists.sql",
        "materializations/connected_components.sql",
    ):
        shutil.copy(ROOT / "dbt_project" / "macros" / name, tmp_path / "macros")
    shutil.copy(ROOT / "profiles.yml", tmp_path)
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "components.sql").write_text(MODEL)
    (tmp_path / "models" / "readers.sql").write_text("select * from {{ ref('components') }}")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table components as select 1 as node_id")
    return tmp_path


def test_the_model_in_dbt(project: Path) -> None:
    def run(rows: list[Row], *options: str, last_statement: str = "", exit_code: int = 0) -> dict[int, int]:
        with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
            write(connection, rows)
        done = call(DBT, "run", *options, env=environment(project, LAST_STATEMENT=last_statement), cwd=project)
        assert done.returncode == exit_code, done.stdout[-3000:]
        with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
            found = connection.execute("select table_name from information_schema.tables order by all").fetchall()
            assert [name for (name,) in found] == [
                "components", "components__labels", "components__redirects", "components__solved", "evidence", "readers"
            ]  # fmt: skip
            return dict(connection.execute("select node_id, component_id from readers").fetchall())

    first = current([(1, 2), (2, 3), (4, 5)])
    second = [*first[:1], (2, 3, False, 2), *first[2:], (3, 5, True, 2)]
    assert run(first) == oracle(first)
    assert run(second, last_statement="select error('dies here')", exit_code=1) == oracle(first)
    assert run(second) == oracle(second)
    assert run(second[:1], "--full-refresh") == {1: 1, 2: 1}


@pytest.mark.slow
def test_the_benchmark_finds_the_same_components_as_scipy_and_splink(tmp_path: Path) -> None:
    done = call(Path(sys.executable), "benchmarks/identity_speed.py", "--quick", env=environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count(" 0 labels differ") >= 2 * 7 + 4
