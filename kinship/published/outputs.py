"""Which tables are published, and what dbt's manifest says of their columns."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kinship.segments.header import is_segment

SCHEMAS = ("identity", "customers", "predictions", "segments", "reporting")
"""The layers that people query. What leaves the house (activation) is the destinations' business."""

PRIVATE = ("stg_", "int_")

SYNCS = "reverse_etl"
"""The schema that the syncs write, not dbt: its tables stand among dbt's sources."""


@dataclass(frozen=True)
class Output:
    """A table to publish: its described columns, each with its class of personal data or None."""

    schema: str
    name: str
    columns: Mapping[str, str | None]

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}"


def outputs(manifest: Mapping[str, Any]) -> list[Output]:
    """Every output table that dbt builds, by name: models and snapshots."""
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "snapshot")]
    found = [Output(node["schema"], node["alias"], _columns(node)) for node in nodes if is_public(node)]
    return sorted(found, key=lambda output: output.key)


def sync_outputs(manifest: Mapping[str, Any]) -> list[Output]:
    """The tables in which the syncs say what they did."""
    sources = [source for source in manifest["sources"].values() if source["schema"] == SYNCS]
    found = [Output(source["schema"], source["identifier"], _columns(source)) for source in sources]
    return sorted(found, key=lambda output: output.key)


def is_public(node: Mapping[str, Any]) -> bool:
    """Whether a model's table is one for people."""
    return node["schema"] in SCHEMAS and not node["name"].startswith(PRIVATE)


def sources_with_personal_ids(manifest: Mapping[str, Any]) -> list[str]:
    """The sources whose record ids are themselves made of personal data, as their staging model says of `record_id`.

    A person first seen in such a record has an id that whoever knows the value can work out (docs/identity.md).
    """
    return sorted(
        node["name"].removeprefix("stg_").removesuffix("__identifiers")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["schema"] == "staging"
        and node["name"].endswith("__identifiers")
        and pii(node["columns"].get("record_id", {}))
    )


def as_text(outputs: Iterable[Output]) -> str:
    """The outputs as text that changes when a table, a column or a class does."""
    return json.dumps([asdict(output) for output in outputs])


def pii(column: Mapping[str, Any]) -> str | None:
    """The class of personal data in a column's `meta.pii`, or None."""
    found = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}.get("pii")
    return None if found is None else str(found)


def _columns(node: Mapping[str, Any]) -> dict[str, str | None]:
    described = {name: pii(column) for name, column in node["columns"].items() if column["description"].strip()}
    # what a segment is, its folder says for all of them (dbt_project/macros/segments.sql)
    return {"customer_id": None, **described} if node["resource_type"] == "model" and is_segment(node) else described
