"""The flow goes one way: a layer reads only layers before it."""

import json
from pathlib import Path
from typing import Any

import pytest

# A layer and what it may read beside itself. Predictions and reporting branch off; nothing after them reads reporting.
FLOW = [
    "extract",
    "seeds",
    "staging",
    "identity",
    "customers",
    "predictions",
    "segments",
    "activation",
    "metrics",
    "reporting",
]


@pytest.fixture(scope="session")
def manifest(built_company: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((built_company / "dbt" / "manifest" / "manifest.json").read_text())
    return loaded


def layer(node: dict[str, Any]) -> str:
    return {"source": "extract", "seed": "seeds"}.get(node["resource_type"]) or str(node["fqn"][1])


def test_a_layer_reads_only_layers_before_it(manifest: dict[str, Any]) -> None:
    known = {**manifest["nodes"], **manifest["sources"]}
    # the one row per person that has everything: it ends both layers, and predictions do not read it
    profile = ("customers", "predictions")
    backward = [
        f"{node['name']} ({layer(node)}) reads {known[parent]['name']} ({layer(known[parent])})"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        for parent in node["depends_on"]["nodes"]
        if FLOW.index(layer(known[parent])) > FLOW.index(layer(node))
        and (node["name"], layer(known[parent])) != profile
    ]
    assert not backward


def test_predictions_do_not_read_the_profile_that_shows_them(manifest: dict[str, Any]) -> None:
    readers = [
        node["name"]
        for node in manifest["nodes"].values()
        if layer(node) == "predictions" and any(p.endswith(".customers") for p in node["depends_on"]["nodes"])
    ]
    assert not readers


def test_only_staging_reads_what_was_extracted(manifest: dict[str, Any]) -> None:
    readers = {
        layer(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and any(parent.startswith("source.") for parent in node["depends_on"]["nodes"])
    }
    assert readers <= {"staging", "reporting"}


def test_the_folder_is_the_schema(manifest: dict[str, Any]) -> None:
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert models
    assert [node["name"] for node in models if node["schema"] != layer(node)] == []
    assert {layer(node) for node in models} <= set(FLOW)
