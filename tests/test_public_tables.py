"""Tables people query: each column is described, its type is kept, and none holds personal data unsaid."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kinship.published.audit import PERSONAL
from kinship.published.masking import CLASSES
from kinship.published.outputs import pii

SCHEMAS = ("identity", "customers", "predictions", "segments", "reporting")
CONTRACTS = ("customers", "predictions", "segments")
PRIVATE = ("int_", "stg_")
# What a segment is, the folder says for all of them (dbt_project/macros/segments.sql).
SEGMENT = {"customer_id"}


@pytest.fixture(scope="module")
def nodes(built_company: Path) -> list[dict[str, Any]]:
    """The public tables: models and snapshots."""
    manifest = json.loads((built_company / "dbt" / "manifest" / "manifest.json").read_text())
    found = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "snapshot")
        and node["schema"] in SCHEMAS
        and not node["name"].startswith(PRIVATE)
    ]
    assert {"customers", "customer_events", "customers_history", "segment_memberships"} <= {
        node["name"] for node in found
    }
    return found


def columns(built_company: Path, node: dict[str, Any]) -> dict[str, str]:
    """The table's columns as they are in the warehouse, with their types."""
    with duckdb.connect(str(built_company / "warehouse.duckdb"), read_only=True) as connection:
        found = dict(
            connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = ? and table_name = ?",
                [node["schema"], node["alias"]],
            ).fetchall()
        )
    assert found, f"{node['schema']}.{node['alias']} is not in the warehouse"
    return found


def personal(value: str) -> set[str]:
    """The kinds of personal data that a text seems to hold."""
    return {kind for kind, pattern in PERSONAL.items() if re.search(pattern, value)}


def is_segment(node: dict[str, Any], built: dict[str, str]) -> bool:
    return node["schema"] == "segments" and set(built) == SEGMENT


def test_every_column_is_described_and_every_contract_is_kept(built_company: Path, nodes: list[dict[str, Any]]) -> None:
    faults = []
    for node in nodes:
        built = columns(built_company, node)
        if is_segment(node, built):
            continue
        if not node["description"].strip():
            faults.append(f"{node['name']}: no description")
        if node["schema"] in CONTRACTS and node["resource_type"] == "model" and not node["contract"]["enforced"]:
            faults.append(f"{node['name']}: no contract")
        described = {name for name, column in node["columns"].items() if column["description"].strip()}
        faults += [f"{node['name']}.{column}: no description" for column in built.keys() - described]
        faults += [f"{node['name']}.{column}: described, not there" for column in node["columns"].keys() - built.keys()]
    assert faults == []


def test_a_column_whose_values_look_personal_says_which_class_they_are(
    built_company: Path, nodes: list[dict[str, Any]]
) -> None:
    faults = []
    with duckdb.connect(str(built_company / "warehouse.duckdb"), read_only=True) as connection:
        for node in nodes:
            # whatever is not a number, a time or a boolean is looked into, nested or not
            texts = [name for name, kind in columns(built_company, node).items() if re.search(r"CHAR|JSON|BLOB", kind)]
            for column in texts:
                described = node["columns"].get(column, {})
                if (found := pii(described)) is not None:
                    if found not in CLASSES:
                        faults.append(f"{node['schema']}.{node['name']}.{column} is of no class we know: {found}")
                    continue
                values = connection.execute(
                    f'select distinct "{column}"::varchar from {node["schema"]}.{node["alias"]}'
                ).fetchall()
                # the kinds, never the value
                kinds = set().union(*(personal(value) for (value,) in values if value is not None))
                faults += [
                    f"{node['schema']}.{node['name']}.{column} holds what looks like: {kind}" for kind in sorted(kinds)
                ]
    assert faults == []


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("write to Ann <ann.lee@mail.example>", {"an e-mail address"}),
        ("+359 888 123 456", {"a phone number"}),
        ("call 0888123456.", {"a phone number"}),
        ("(0)20 7946 0018", {"a phone number"}),
        ("from 192.168.10.1:80", {"an IP address"}),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", {"an IP address"}),
        ("2026-06-01 10:00:00", set()),
        ("customers:8000123456", set()),
        ("0123456789abcdef0123456789abcdef", set()),
        ("550e8400-0000-4000-8000-446655440000", set()),
        ("version 1.2.3", set()),
    ],
)
def test_what_looks_personal(value: str, kinds: set[str]) -> None:
    assert personal(value) == kinds
