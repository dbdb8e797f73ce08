"""What the header of a segment's file says. That it says it is checked by dbt (macro `check_segment_header`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What is no segment in models/segments/: the folder that holds who was in. Older commits have the one file there.
BOOKS = {"memberships", "segment_memberships"}

_HEADER = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)
_FIELD = re.compile(r"^\s*(What|Owner|Purpose|Largest change):(.*?)(?=^\s*[A-Z][a-z ]*:|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """One segment, as its file introduces it."""

    name: str
    path: str  # from the project's root
    what: str
    owner: str  # an e-mail address
    purpose: str  # the consent it needs
    largest_change: float | None  # the share of its members that may come or go in one run; None: what is usual


def is_segment(node: Mapping[str, Any]) -> bool:
    """Whether a node of dbt's manifest is a segment."""
    return node["resource_type"] == "model" and node["fqn"][1] == "segments" and BOOKS.isdisjoint(node["fqn"])


def header(node: Mapping[str, Any]) -> Header:
    """The header of a segment's node."""
    comment = _HEADER.match(node["raw_code"])
    fields = {name: " ".join(text.split()) for name, text in _FIELD.findall(comment[1] if comment else "")}
    change = fields.get("Largest change")
    return Header(
        name=node["name"],
        path=node["original_file_path"],
        what=fields.get("What", ""),
        owner=fields.get("Owner", ""),
        purpose=fields.get("Purpose", ""),
        largest_change=float(change) if change else None,
    )


def headers(manifest: Mapping[str, Any]) -> list[Header]:
    """Every segment of the project, by name."""
    nodes = manifest["nodes"].values()
    return sorted((header(node) for node in nodes if is_segment(node)), key=lambda one: one.name)
