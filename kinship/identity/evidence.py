"""Reads of the finished identity tables: who a reference means, and what ties records to each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from kinship.errors import WrongUse

_CUSTOMER_ID = re.compile(r"[0-9a-f]{32}")
_BETWEEN_DIGITS = re.compile(r"[\s()./-]")


@dataclass(frozen=True, order=True)
class Record:
    """A record of a source, written `<source>:<record_id>`."""

    source: str
    record_id: str

    def __str__(self) -> str:
        return f"{self.source}:{self.record_id}"


@dataclass(frozen=True)
class Edge:
    """A piece of evidence that two records are one person; `weight` in bits."""

    edge_id: str
    left: Record
    right: Record
    rule: str
    value_hash: str | None
    tier: int
    level: str
    weight: float
    is_admitted: bool
    refusal: str | None
    detail: str | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None

    def other(self, record: Record) -> Record:
        """The end that is not `record`."""
        return self.right if record == self.left else self.left


@dataclass(frozen=True)
class Found:
    """What a reference means: a person, and the record of theirs that was named, or that the reference comes from."""

    customer_id: str
    record: Record
    is_named: bool


def find(connection: duckdb.DuckDBPyConnection, reference: str) -> Found:
    """Who is meant by a customer id (also one that is out of use), a record `<source>:<record_id>`, or an identifier.

    Raises `WrongUse` when nobody, or more than one person, is meant.
    """
    try:
        connection.execute("from identity.identity_redirects limit 0")
    except duckdb.CatalogException:
        raise WrongUse("the warehouse knows no people yet: `kinship run` builds them") from None
    text = reference.strip()
    if _CUSTOMER_ID.fullmatch(text):
        return _by_id(connection, text)
    source, _, record_id = text.partition(":")
    row = connection.execute(
        "select customer_id from identity.identity_graph"  # noqa: S608 - quoted
        f" where source = {_text(source)} and record_id = {_text(record_id)}"
    ).fetchone()
    if row is not None:
        return Found(str(row[0]), Record(source, record_id), is_named=True)
    return _by_value(connection, text)


def _by_id(connection: duckdb.DuckDBPyConnection, customer_id: str) -> Found:
    """A person by an id; the record is one that had the id, the one it was made from before others."""
    row = connection.execute(
        "select current_customer_id from identity.identity_redirects"  # noqa: S608 - quoted
        f" where customer_id = {_text(customer_id)}"
    ).fetchone()
    if row is None:
        raise WrongUse(f"no customer has, or had, the id {customer_id}")
    if row[0] is None:
        raise WrongUse(f"all records of the customer {customer_id} are gone")
    record = connection.execute(
        f"""
        with had as (
            select source, record_id, min(assigned_in) as had_in
            from identity.identity_assignments
            where customer_id = {_text(customer_id)}
            group by all
        )
        select graph.source, graph.record_id
        from identity.identity_graph as graph
        left join had using (source, record_id)
        where graph.customer_id = {_text(row[0])}
        order by
            had_in nulls last,
            md5(graph.source || ':' || graph.record_id) <> {_text(customer_id)},
            graph.source,
            graph.record_id
        limit 1
        """  # noqa: S608 - quoted
    ).fetchone()
    if record is None:
        raise WrongUse(f"all records of the customer {customer_id} are gone")
    return Found(str(row[0]), Record(*record), is_named=False)


def _by_value(connection: duckdb.DuckDBPyConnection, value: str) -> Found:
    """A person by an identifier in its normal form, or nearly: small letters, a number without its spaces."""
    forms = [value, value.lower(), _BETWEEN_DIGITS.sub("", value) if value.startswith("+") else value]
    people = connection.execute(
        f"""
        select customer_id, arg_min(source, first_seen_at), arg_min(record_id, first_seen_at)
        from identity.int_identity__identifiers
        inner join identity.identity_graph using (source, record_id)
        where identifier_value in ({", ".join(map(_text, forms))}) group by customer_id limit 2
        """  # noqa: S608 - quoted
    ).fetchall()
    if not people:
        raise WrongUse(
            "nobody is known by that reference: give a customer id, a record as <source>:<record_id>"
            " (vtiger:contacts:12x34), or an identifier in its normal form (an address in lower case, +359888123456)"
        )
    if len(people) > 1:
        raise WrongUse("more than one person has that identifier: name a record as <source>:<record_id>")
    customer_id, source, record_id = people[0]
    return Found(customer_id, Record(source, record_id), is_named=False)


def records_of(connection: duckdb.DuckDBPyConnection, customer_id: str) -> list[Record]:
    """The records of a person, in order."""
    rows = connection.execute(
        "select source, record_id from identity.identity_graph"  # noqa: S608 - quoted
        f" where customer_id = {_text(customer_id)} order by all"
    ).fetchall()
    return [Record(*row) for row in rows]


def edges_of(connection: duckdb.DuckDBPyConnection, customers: Sequence[str]) -> list[Edge]:
    """All evidence with both ends among the records of these people, strongest first."""
    rows = connection.execute(
        f"""
        with records as (
            select source, record_id from identity.identity_graph
            where customer_id in ({", ".join(map(_text, customers))})
        )
        select
            edge_id, left_source, left_record_id, right_source, right_record_id, rule, value_hash, tier, level, weight,
            is_admitted, refusal, detail, first_seen_at, last_seen_at
        from identity.identity_edges
        semi join records as l on l.source = left_source and l.record_id = left_record_id
        semi join records as r on r.source = right_source and r.record_id = right_record_id
        order by case level when 'strict' then 0 when 'default' then 1 else 2 end, tier, weight desc, edge_id
        """  # noqa: S608 - quoted
    ).fetchall()
    return [Edge(row[0], Record(row[1], row[2]), Record(row[3], row[4]), *row[5:]) for row in rows]


def values_of(connection: duckdb.DuckDBPyConnection, records: Sequence[Record]) -> dict[str, str]:
    """The identifiers of some records in their normal form, by `value_hash`."""
    if not records:
        return {}
    wanted = ", ".join(f"({_text(record.source)}, {_text(record.record_id)})" for record in records)
    rows = connection.execute(
        f"""
        select distinct md5(identifier_type || ':' || identifier_value), identifier_value
        from identity.int_identity__identifiers as identifiers
        semi join (values {wanted}) as wanted (source, record_id) using (source, record_id)
        """  # noqa: S608 - quoted
    ).fetchall()
    return {str(key): str(value) for key, value in rows}


def _text(value: str) -> str:
    """A text in SQL. A bound parameter makes DuckDB import pandas: .35 s more in a command that takes half a second."""
    return "'" + value.replace("'", "''") + "'"


def masked(value: str) -> str:
    """A value of which only the ends are left: `a…@e….com`, `+3…56`."""
    mailbox, at, domain = value.partition("@")
    if at and "." in domain:
        return f"{mailbox[:1]}…@{domain[:1]}…{domain[domain.rindex('.') :]}"
    return f"{value[:2]}…{value[-2:]}" if len(value) > 6 else "…"
