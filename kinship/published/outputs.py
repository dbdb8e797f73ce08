"""Which tables are published, and what dbt's manifest says of their columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinship.segments.header import is_segment

SCHEMAS = ("identity", "customers", "predictions", "segments", "reporting", "reverse_etl")
PRIVATE = ("stg_", "int_")
SYNCS = "reverse_etl"
"""The schema that the syncs write, not dbt: its tables stand among dbt's sources."""


@dataclass(frozen=True)
class Output:
    """A table to publish: its described columns, each with its class of personal data or None."""

    schema: str
    name: str
    columns: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}"


def outputs(manifest: Mapping[str, Any]) -> list[Output]:
    """Every output table of the project: models, snapshots and what the syncs write, by name."""
    found = [
        Output(node["schema"], node["alias"], _columns(node))
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "snapshot") and is_public(node)
    ]
    found += [
        Output(node["schema"], node["identifier"], _columns(node))
        for node in manifest["sources"].values()
        if node["schema"] == SYNCS
    ]
    return sorted(found, key=lambda output: output.key)


def is_public(node: Mapping[str, Any]) -> bool:
    """Whether a model's table is one for people."""
    return node["schema"] in SCHEMAS and not node["name"].startswith(PRIVATE)


def _columns(node: Mapping[str, Any]) -> dict[str, str | None]:
    described = {
        name: _class(column) for name, column in node["columns"].items() if column.get("description", "").strip()
    }
    # what a segment is, its folder says for all of them (dbt_project/macros/segments.sql)
    return {"customer_id": None, **described} if node["resource_type"] == "model" and is_segment(node) else described


def _class(column: Mapping[str, Any]) -> str | None:
    meta = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
    found = meta.get("pii")
    return None if found is None else str(found)
