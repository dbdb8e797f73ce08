"""The identity layer's macros against well-kept libraries: networkx, phonenumbers, email-validator."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import email_validator
import networkx as nx
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import render

SEEDS = Path(__file__).parents[1] / "seeds"
PARENTS = render("component_parents('labels')")
LABELS = render("component_labels('edges', 'parents')")
EMAIL = render("normalise_email('v')")
PHONE = render("normalise_phone('v', 'code', 'trunk')")
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


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def email(connection: duckdb.DuckDBPyConnection, value: str | None) -> str | None:
    row = connection.execute(f"select {EMAIL} from (select ? as v)", [value]).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ann.Lee@Example.com", "ann.lee@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("ann+shop@example.com", "ann@example.com"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("иван@example.com", "иван@example.com"),
        ("ann@example", None),
        ("ann@@example.com", None),
        ("@example.com", None),
        ("+tag@example.com", None),
        ("ann@example.com, bob@example.com", None),
        ("N/A", None),
        ("", None),
        (None, None),
    ],
)
def test_email_normal_form(connection: duckdb.DuckDBPyConnection, written: str | None, normal: str | None) -> None:
    assert email(connection, written) == normal


@settings(max_examples=80, deadline=None)
@given(st.emails())
def test_no_valid_address_is_lost(connection: duckdb.DuckDBPyConnection, address: str) -> None:
    try:
        valid = email_validator.validate_email(address, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        return
    if valid.local_part.startswith("+") or any(mark in address for mark in "/{}<>,; "):
        return  # read as a tag, or as punctuation around the address
    normal = email(connection, address)
    assert normal is not None and normal.endswith("@" + address.split("@")[1].lower().replace("googlemail", "gmail"))


def phones(written: list[tuple[str, str | None]]) -> list[str | None]:
    """Normal forms of (number, country) pairs, in one query over the seed."""
    with duckdb.connect() as connection:
        return [
            row[0]
            for row in connection.execute(
                f"""
                select {PHONE}
                from (
                    select p.n as v, p.c as country, p.i as i
                    from (select unnest(?::struct(n text, c text, i int)[]) as p)
                )
                left join (
                    select country_code, calling_code as code, coalesce(trunk_prefix, '') as trunk
                    from read_csv('{SEEDS / "country_calling_codes.csv"}', all_varchar = true)
                ) on country = country_code
                order by i
                """,
                [[{"n": n, "c": c, "i": i} for i, (n, c) in enumerate(written)]],
            ).fetchall()
        ]


# Argentina writes a mobile number with 15 at home and 9 abroad; Belarus dials 8 0; the others have numbers of 4 digits.
NOT_READ_IN_NATIONAL_NOTATION = {"AR", "BY", "NU", "TA", "TK"}


def test_phone_notations_agree_with_phonenumbers() -> None:
    cases: list[tuple[str, str | None]] = []
    expected: list[str] = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(country, kind)
            if number is None:
                continue
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            written: list[tuple[str, str | None]] = [(e164, country), (international, None), ("00" + e164[1:], None)]
            if country not in NOT_READ_IN_NATIONAL_NOTATION:
                written.append((phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL), country))
            cases += written
            expected += [e164] * len(written)
    differing = [
        (case, want, got) for case, want, got in zip(cases, expected, phones(cases), strict=True) if want != got
    ]
    assert len(cases) > 1500
    assert differing == []


def test_what_is_no_phone_number_is_none() -> None:
    assert phones([("", None), ("N/A", "BG"), ("12", "BG"), ("0" * 19, None), ("none", None)]) == [None] * 5
