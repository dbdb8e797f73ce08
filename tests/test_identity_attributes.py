"""The two models that hold normal forms, over a staging of a few rows."""

from collections.abc import Iterator

import duckdb
import pytest
import sqlglot
from normal_forms import FOREIGN, load_seeds, model_sql

Row = dict[str, object]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        load_seeds(opened)
        opened.execute(
            "create table stg_one__attributes"
            " (source text, record_id text, attribute text, value text, is_verified boolean, observed_at timestamp)"
        )
        opened.execute(
            "create table stg_one__identifiers"
            " (source text, record_id text, identifier_type text, identifier_value text,"
            " country_code text, first_seen_at timestamp, last_seen_at timestamp)"
        )
        yield opened


def attributes(connection: duckdb.DuckDBPyConnection, said: list[tuple[str, str, str, int]], *others: str) -> list[Row]:
    """The model's rows for (record, attribute, value, day of January)."""
    connection.executemany(
        "insert into stg_one__attributes values ('one', ?, ?, ?, false, make_timestamp(2026, 1, ?, 0, 0, 0))", said
    )
    changes = model_sql("int_identity__attribute_changes")
    connection.execute(f"create or replace table int_identity__attribute_changes as {changes}")
    found = connection.execute(f"{model_sql('int_identity__record_attributes', others=others)} order by record_id")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_columns_stand_in_the_order_of_the_contract(connection: duckdb.DuckDBPyConnection) -> None:
    rows = attributes(connection, [("r:1", "first_name", "Ann", 1)], "gender", "company_domain")
    assert list(rows[0]) == [
        *(
            "source",
            "record_id",
            "given_name",
            "family_name",
            "full_name",
            "birth_date",
            "email",
            "phone",
            "street",
            "city",
        ),
        *("postcode", "country", "national_id", "other_1", "other_2"),
        *("given_name_canonical", "given_name_key", "family_name_key", "attributes_hash", "changed_at"),
    ]


def test_a_record_is_told_in_normal_form(connection: duckdb.DuckDBPyConnection) -> None:
    said = {
        "first_name": "Bob",
        "last_name": "Müller",
        "birth_date": "1.2.1980",
        "email": "Bob+x@Example.com",
        "phone": "0888 123456",
        "street": "12 High Street",
        "city": "София",
        "postal_code": "BG-1000",
        "country_code": "bg",
        "national_id": "80-0201-1234",
        "gender": "M.",
        "company_domain": "https://www.firm.example",
    }
    rows = attributes(connection, [("r:1", name, value, 1) for name, value in said.items()], "gender", "company_domain")
    assert rows[0] | {"attributes_hash": None, "changed_at": None} == {
        "source": "one",
        "record_id": "r:1",
        "given_name": "bob",
        "family_name": "muller",
        "full_name": "bob muller",
        "birth_date": "1980-02-01",
        "email": "bob@example.com",
        "phone": "+359888123456",
        "street": "12 high s",
        "city": "sofiya",
        "postcode": "1000",
        "country": "BG",
        "national_id": "8002011234",
        "other_1": "m",
        "other_2": "firm.example",
        "given_name_canonical": "robert",
        "given_name_key": "robert",
        "family_name_key": "muler",
        "attributes_hash": None,
        "changed_at": None,
    }


def test_the_latest_value_that_has_a_normal_form_counts(connection: duckdb.DuckDBPyConnection) -> None:
    rows = attributes(
        connection,
        [
            ("r:1", "email", "old@example.com", 1),
            ("r:1", "email", "new@example.com", 2),
            ("r:1", "email", "N/A", 3),
            ("r:2", "email", "b@example.com", 1),
            ("r:2", "email", "a@example.com", 1),
            ("r:3", "email", "nobody", 1),
            ("r:4", "job_title", "Boss", 1),
        ],
    )
    assert [(row["record_id"], row["email"]) for row in rows] == [("r:1", "new@example.com"), ("r:2", "a@example.com")]


def test_a_full_name_fills_what_is_not_said(connection: duckdb.DuckDBPyConnection) -> None:
    rows = attributes(
        connection,
        [
            ("r:1", "full_name", "García López, José", 1),
            ("r:2", "full_name", "Robert van Dyke", 1),
            ("r:2", "first_name", "Bob", 1),
            ("r:3", "last_name", "Lee", 1),
        ],
    )
    assert [(row["given_name"], row["family_name"], row["full_name"]) for row in rows] == [
        ("jose", "garcia lopez", "jose garcia lopez"),
        ("bob", "van dyke", "robert van dyke"),
        (None, "lee", None),
    ]


def test_country_names_are_codes_and_read_the_phone(connection: duckdb.DuckDBPyConnection) -> None:
    rows = attributes(connection, [("r:1", "country_code", "Bulgaria", 1), ("r:1", "phone", "0888 123456", 1)])
    assert (rows[0]["country"], rows[0]["phone"]) == ("BG", "+359888123456")


def test_a_free_mailbox_is_no_company(connection: duckdb.DuckDBPyConnection) -> None:
    rows = attributes(
        connection, [("r:1", "company_domain", "gmail.com", 1), ("r:1", "last_name", "Lee", 1)], "company_domain"
    )
    assert rows[0]["other_1"] is None


def test_the_hash_changes_with_what_is_said_and_only_then(connection: duckdb.DuckDBPyConnection) -> None:
    first = attributes(
        connection, [("r:1", "city", "Sofia", 1), ("r:2", "city", "SOFIA", 1), ("r:3", "street", "Sofia", 1)]
    )
    hashes = [row["attributes_hash"] for row in first]
    assert hashes[0] == hashes[1] != hashes[2]
    second = attributes(connection, [("r:1", "city", "Plovdiv", 2)])
    assert [row["attributes_hash"] == before for row, before in zip(second, hashes, strict=True)] == [False, True, True]


def test_identifiers_of_every_type(connection: duckdb.DuckDBPyConnection) -> None:
    connection.executemany(
        "insert into stg_one__identifiers values"
        " ('one', ?, ?, ?, ?, make_timestamp(2026, 1, ?, 0, 0, 0), make_timestamp(2026, 2, ?, 0, 0, 0))",
        [
            ("r:1", "email", "Ann@googlemail.com", "BG", 2, 2),
            ("r:1", "email", "a.nn@gmail.com", None, 1, 1),
            ("r:1", "phone", "0888 123456", "BG", 1, 1),
            ("r:1", "phone", "0888 123456", None, 1, 1),
            ("r:2", "phone", "0888 123456", "GB", 1, 1),
            ("r:1", "device_id", "{6BA7B8109DAD11D180B400C04FD430C8}", None, 1, 1),
            ("r:1", "anonymous_id", "null", None, 1, 1),
            ("r:1", "national_id", "80-0201", None, 1, 1),
            ("r:1", "company_domain", "ann@gmx.de", None, 1, 1),
            ("r:1", "Own_type", " Ab-1 ", None, 1, 1),
        ],
    )
    found = connection.execute(
        "select record_id, identifier_type, identifier_value, day(first_seen_at), day(last_seen_at)"
        f" from ({model_sql('int_identity__identifiers')}) order by all"
    ).fetchall()
    assert found == [
        ("r:1", "Own_type", "Ab-1", 1, 1),
        ("r:1", "device_id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", 1, 1),
        ("r:1", "email", "ann@gmail.com", 1, 2),
        ("r:1", "national_id", "800201", 1, 1),
        ("r:1", "phone", "+359888123456", 1, 1),
        ("r:2", "phone", "+44888123456", 1, 1),
    ]


@pytest.mark.parametrize("name", ["int_identity__identifiers", "int_identity__record_attributes"])
def test_model_is_spark_sql(name: str) -> None:
    rendered = model_sql(name, "spark", ["gender"])
    sqlglot.parse_one(rendered, dialect="spark")
    assert [word for word in FOREIGN if word in rendered.lower()] == []
