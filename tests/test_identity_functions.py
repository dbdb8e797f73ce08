"""The graph functions inside DuckDB."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from macros import render

from kinship.identity.functions import register


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        register(opened)
        yield opened


def value(connection: duckdb.DuckDBPyConnection, call: str) -> object:
    row = connection.execute(f"select {call}").fetchone()
    assert row
    return row[0]


LINKS = """[
    {'edge_id': 'a', 'left_id': 1, 'right_id': 2, 'weight': null, 'is_probabilistic': false, 'is_decided': false},
    {'edge_id': 'b', 'left_id': 3, 'right_id': 2, 'weight': 9.5, 'is_probabilistic': false, 'is_decided': false},
    {'edge_id': 'c', 'left_id': 3, 'right_id': 4, 'weight': null, 'is_probabilistic': false, 'is_decided': false}
]"""
PROBABLE = LINKS.replace("'is_probabilistic': false", "'is_probabilistic': true")
DECIDED = LINKS.replace("'is_decided': false", "'is_decided': true")
CLAIMS = """[
    {'node_id': 1, 'claim_type': 'user_id', 'value_hash': 'x', 'most': 1},
    {'node_id': 3, 'claim_type': 'user_id', 'value_hash': 'y', 'most': 1},
    {'node_id': 3, 'claim_type': null, 'value_hash': null, 'most': null}
]"""


def test_registering_twice_does_no_harm(connection: duckdb.DuckDBPyConnection) -> None:
    register(connection)
    register(connection.cursor())
    assert value(connection.cursor(), "connected_components([1], [2])")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("connected_components([9, 5], [5, 7])", [{"node_id": n, "component_id": 5} for n in (5, 7, 9)]),
        ("connected_components([], [])", []),
        ("connected_components(null, null)", []),
        ("spanning_forest([1, 2, 3, 4], [2, 3, 1, 4])", [True, True, False, False]),
        ("spanning_forest(null, [])", []),
        (f"admit_evidence({LINKS}, {CLAIMS}, [], 10)", [{"edge_id": "b", "reason": "limit:user_id"}]),
        (f"admit_evidence({LINKS}, null, [{{'left_id': 1, 'right_id': 4}}], null)", [
            {"edge_id": "c", "reason": "cannot_link"},
        ]),
        (f"admit_evidence({DECIDED}, {CLAIMS}, [], 10)", []),
        (f"admit_evidence({LINKS}, [], null, 10)", []),
        (f"admit_evidence(null, {CLAIMS}, null, 10)", []),
        ("admit_evidence(null, null, null, null)", []),
    ],
)  # fmt: skip
def test_answers(connection: duckdb.DuckDBPyConnection, call: str, expected: object) -> None:
    assert value(connection, call) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("connected_components([1], [2, 3])", "1 left ends and 2 right ends"),
        ("connected_components([1, null], [2, 3])", "left is NULL in 1 entries of 2"),
        ("admit_evidence([null], null, null, 1)", "is_probabilistic is NULL in 1 rows of 1"),
        (f"admit_evidence({LINKS}, null, [{{'left_id': 1, 'right_id': null}}], 1)", "right_id is NULL in 1 rows of 1"),
        (
            f"admit_evidence({PROBABLE}, null, null, 1)",
            "a probabilistic link has no weight",
        ),
    ],
)
def test_what_is_no_graph_is_an_error(connection: duckdb.DuckDBPyConnection, call: str, message: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=message):
        value(connection, call)


def test_many_rows_each_with_its_own_graph(connection: duckdb.DuckDBPyConnection) -> None:
    """More than a vector of 2,048 rows, among them rows whose lists are NULL or empty."""
    rows = connection.execute(
        """
        select
            i,
            connected_components(lefts, rights),
            spanning_forest(lefts, rights),
            admit_evidence(
                list_transform(lefts, lambda node, n: {
                    'edge_id': i || '-' || n, 'left_id': node, 'right_id': rights[n],
                    'weight': 1, 'is_probabilistic': false, 'is_decided': false
                }),
                list_transform(lefts, lambda node: {
                    'node_id': node, 'claim_type': 't', 'value_hash': node::text, 'most': 1
                }),
                null,
                5
            )
        from (
            select
                i,
                case i % 5 when 0 then null when 1 then [] else [i, i + 1] end as lefts,
                case i % 5 when 0 then null when 1 then [] else [i + 1, i + 2] end as rights
            from range(2500) as numbers (i)
        )
        """
    ).fetchall()
    assert len(rows) == 2500
    for number, nodes, forest, refused in rows:
        expected = [] if number % 5 < 2 else [{"node_id": number + n, "component_id": number} for n in range(3)]
        assert nodes == expected
        assert forest == [True] * (len(expected) and 2)
        assert refused == ([{"edge_id": f"{number}-1", "reason": "limit:t"}] if expected else [])


def test_two_threads_at_once(connection: duckdb.DuckDBPyConnection) -> None:
    def solve(start: int) -> list[tuple[int, int]]:
        return connection.cursor().execute(
            """
            select node.node_id, node.component_id
            from (
                select unnest(connected_components(list(? + i), list(? + i + 1))) as node from range(20000) as chain (i)
            )
            order by all
            """,
            [start, start],
        ).fetchall()  # fmt: skip

    starts = random.Random(1).sample(range(10**6), 8)
    with ThreadPoolExecutor(4) as pool:
        for start, found in zip(starts, pool.map(solve, starts), strict=True):
            assert found == [(start + n, start) for n in range(20001)]


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_macros_name_the_functions(engine: str) -> None:
    assert render("solved_components('l', 'r')", engine) == "connected_components(l, r)"
    assert render("spanning_forest('l', 'r')", engine) == "spanning_forest(l, r)"
    assert render("refused_evidence('l', 'c', 'a', 9)", engine) == "admit_evidence(l, c, a, 9)"
