"""The macros in which engines differ: run on DuckDB, and read as Spark's SQL."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import pytest
import sqlglot
from macros import render


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set timezone = 'UTC'")
        yield opened


def value(connection: duckdb.DuckDBPyConnection, call: str, column: str | None) -> Any:
    """What the macro call makes of one value in the column `v`."""
    return connection.execute(f"select {render(call)} from (select cast(? as varchar) as v) as t", [column]).fetchall()[
        0
    ][0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-03-01T10:00:00+02:00", "2025-03-01 08:00:00"),
        ("2025-03-01T10:00:00.250Z", "2025-03-01 10:00:00.250"),
        ("2025-03-01 10:00:00", "2025-03-01 10:00:00"),
        ("2025-03-01T10:00:00-0530", "2025-03-01 15:30:00"),
        ("2025-03-01", "2025-03-01 00:00:00"),
        ("0000-00-00", None),
        ("0000-00-00 00:00:00", None),
        ("2025-02-30T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_become_utc_or_null(
    connection: duckdb.DuckDBPyConnection, written: str | None, expected: str | None
) -> None:
    assert value(connection, "utc_timestamp('v')", written) == (expected and datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1740000000", "2025-02-19 21:20:00"),
        ("1740000000.5", "2025-02-19 21:20:00.500000"),
        ("-1", "1969-12-31 23:59:59"),
        ("1e30", None),
        ("soon", None),
        (None, None),
    ],
)
def test_epoch_seconds_become_utc_or_null(
    connection: duckdb.DuckDBPyConnection, written: str | None, expected: str | None
) -> None:
    assert value(connection, "utc_from_epoch_seconds('v')", written) == (expected and datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"a": {"b": 1}, "c": true}', {"a": {"b": "1"}, "c": "true"}),
        ('{"c": {"d": 1}}', {"a": None, "c": '{"d":1}'}),
        ('{"a": 5, "c": null}', {"a": {"b": None}, "c": None}),
        ("{}", {"a": None, "c": None}),
    ],
)
def test_json_objects_give_their_fields_as_text(
    connection: duckdb.DuckDBPyConnection, written: str, expected: dict[str, Any]
) -> None:
    assert value(connection, "json_object('v', {'a': ['b'], 'c': none})", written) == expected


@pytest.mark.parametrize("written", ["not JSON", "", "{", None])
@pytest.mark.parametrize("call", ["json_object('v', ['a'])", "json_objects('v', ['a'])", "json_text('v', '.a')"])
def test_what_is_not_json_is_null(connection: duckdb.DuckDBPyConnection, call: str, written: str | None) -> None:
    assert value(connection, call, written) is None


def test_one_bad_value_does_not_empty_its_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    parsed = render("json_object('v', ['a'])")
    values = """(values ('{"a": 1}'), ('broken'), ('{"a": 2}')) as t (v)"""
    assert connection.execute(f"select {parsed}.a from {values}").fetchall() == [("1",), (None,), ("2",)]


def test_lists_of_objects_become_rows(connection: duckdb.DuckDBPyConnection) -> None:
    items = render("explode_list(json_objects('v', ['id', 'price']))")
    rows = connection.execute(
        f"select k, item.id, item.price from (select k, {items} as item from (values "
        """('x', '[{"id": 1, "price": "2.50"}, {"id": 2}]'), ('y', '[]'), ('z', null)) as t (k, v)) as u order by all"""
    ).fetchall()
    assert rows == [("x", "1", "2.50"), ("x", "2", None)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Product Viewed", "product_viewed"),
        (" wishListShared", "wish_list_shared"),
        ("Checkout - Step 2", "checkout_step_2"),
        (None, None),
    ],
)
def test_names_in_snake_case(connection: duckdb.DuckDBPyConnection, written: str | None, expected: str | None) -> None:
    assert value(connection, "snake_case('v')", written) == expected


def test_appearances_are_ordered_the_same_whatever_order_they_arrive_in(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        ("a", "2025-01-02", "old file", 1, "01"),
        ("a", "2025-01-01", "late file", 2, "02"),
        ("b", "2025-01-01", "first file", 1, "01"),
        ("b", "2025-01-01", "later file", 1, "02"),
        ("c", None, "no time", 3, "09"),
        ("c", "2025-01-01", "a time", 1, "01"),
        ("d", "2025-01-01", "alone", 1, "01"),
        ("e", "2025-01-01", "tie", 1, "01"),
        ("e", "2025-01-01", "a tie", 1, "01"),
        (None, "2025-01-01", "no key", 1, "01"),
        (None, "2025-01-02", "no key, later", 1, "01"),
    ]
    found = []
    for order in (rows, rows[::-1]):
        connection.execute(
            "create or replace table t (id text, changed text, note text, _extracted_at int, _file text, "
            "_kinship_deleted_at text)"
        )
        connection.executemany("insert into t values (?, ?, ?, ?, ?, null)", order)
        ranked = render("latest_appearances('s', 't', 'id', changed_at='changed', relation='t')")
        found.append(sorted(connection.execute(f"select coalesce(id, ''), note from ({ranked}) as r").fetchall()))
    assert found[0] == found[1]
    latest = dict(found[0])
    assert latest.pop("e") in ("tie", "a tie")
    assert latest == {"a": "old file", "b": "later file", "c": "a time", "d": "alone", "": "no key, later"}


def test_what_the_system_deleted_is_gone_with_all_its_appearances(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace table t (id text, changed text, note text, _extracted_at int, _file text, "
        "_kinship_deleted_at text)"
    )
    rows = [
        ("kept", "2025-01-01", "x", 1, "01", None),
        ("deleted", "2025-01-01", "x", 1, "01", None),
        ("deleted", "2025-01-02", "y", 1, "01", None),
        ("deleted", "2025-01-03", None, 2, "02", "2025-01-03"),
        ("deleted in the second of its change", "2025-01-03", "x", 2, "02", None),
        ("deleted in the second of its change", "2025-01-03", None, 2, "03", "2025-01-03"),
        ("never seen", "2025-01-03", None, 2, "02", "2025-01-03"),
        ("back", "2025-01-01", "x", 1, "01", None),
        ("back", "2025-01-03", None, 2, "02", "2025-01-03"),
        ("back", "2025-01-04", "y", 3, "03", None),
    ]
    connection.executemany("insert into t values (?, ?, ?, ?, ?, ?)", rows)
    latest = render("latest_appearances('s', 't', 'id', changed_at='changed', relation='t')")
    found = connection.execute(f"select id, note from ({latest}) as r order by all").fetchall()
    assert found == [("back", "y"), ("kept", "x")]
    versions = render("all_appearances('s', 't', 'id', changed_at='changed', relation='t')")
    found = connection.execute(f"select id, note, is_latest from ({versions}) as r order by all").fetchall()
    assert found == [("back", "x", False), ("back", "y", True), ("kept", "x", True)]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("days_between(\"timestamp '2026-01-31 23:59:00'\", \"timestamp '2026-02-01 00:01:00'\")", 1),
        ("add_days(\"timestamp '2026-03-01'\", -1)", datetime(2026, 2, 28)),
        ("add_hours(\"timestamp '2026-03-01'\", -4)", datetime(2026, 2, 28, 20)),
        ("string_list('v')", "a, b"),
        ("regexp_remove(\"'a1b22'\", '[0-9]+')", "ab"),
        ("regexp_full_match(\"'aab'\", 'a+')", False),
    ],
)
def test_small_differences_between_engines(connection: duckdb.DuckDBPyConnection, call: str, expected: Any) -> None:
    rows = connection.execute(f"select {render(call)} from (values ('b'), ('a'), ('b')) as t (v)").fetchall()
    assert rows[0][0] == expected


@pytest.mark.parametrize(
    "call",
    [
        "utc_timestamp('v')",
        "utc_from_epoch_seconds('v')",
        "json_object('v', {'a': ['b'], 'c': none})",
        "explode_list(json_objects('v', ['id']))",
        "json_text('v', '[0].code')",
        "snake_case('v')",
        "row_hash('t')",
        "columns_hash(['v', 'w'])",
        "text_or_null('v')",
        "days_between('v', 'v')",
        "add_days('v', -7)",
        "string_list('v')",
        "regexp_remove('v', '[^0-9]')",
        "regexp_full_match('v', 'a+')",
        "normalise_email('v')",
        "normalise_phone('v', 'v', 'v')",
    ],
)
def test_spark_reads_its_own_form(call: str) -> None:
    """Spark is not here: its parser's grammar is."""
    spark = render(call, engine="spark")
    sqlglot.parse_one(f"select {spark} as x from t", dialect="spark")
    assert "try(" not in spark


def test_a_misspelt_event_column_is_refused() -> None:
    class Exceptions:
        @staticmethod
        def raise_compiler_error(message: str) -> None:
            raise ValueError(message)

    with pytest.raises(ValueError, match="no column 'ocurred_at'"):
        render("event_columns('s', {'ocurred_at': 'x'})", exceptions=Exceptions)
