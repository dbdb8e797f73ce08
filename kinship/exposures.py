"""An exposure in dbt's docs for every sync, made from the syncs' own blocks.

dbt knows exposures from YAML files only, so one is written beside the manifest, on a model path of `dbt_project.yml`:
nobody edits it, and it is in no checkout.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = "_exposures.yml"


def exposures(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The exposures of the project's syncs, by name. A block that is unfit is left to `load_syncs`, which says why."""
    found = []
    for node in manifest["nodes"].values():
        block = node.get("config", {}).get("meta", {}).get("sync")
        if node["resource_type"] != "model" or not isinstance(block, Mapping):
            continue
        owner, destination = block.get("owner"), block.get("destination")
        if isinstance(owner, str) and isinstance(destination, str):
            found.append(_exposure(node["name"], block, owner, destination))
    return sorted(found, key=lambda exposure: str(exposure["name"]))


def _exposure(name: str, block: Mapping[str, Any], owner: str, destination: str) -> dict[str, Any]:
    channel = f" by {block['channel']}" if block.get("channel") else ""
    whom = f"people who agreed to {block.get('purpose')}{channel}" if block.get("purpose") != "none" else "about nobody"
    return {
        "name": name,
        "label": f"{destination}: {block.get('object')}",
        "type": "application",
        "description": (
            f"Rows of {name} as {block.get('object')} in {destination}, matched by {block.get('key')}"
            f" ({block.get('mode', 'upsert')}); only {whom}."
        ),
        "owner": {"email": owner} if "@" in owner else {"name": owner},
        "depends_on": [f"ref('{name}')"],
        "config": {"meta": {"destination": destination, "purpose": block.get("purpose")}},
    }


def write(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Write the file if it is not so already; True when it changed, and dbt has to parse again."""
    found = exposures(manifest)
    file = folder / FILE
    text = yaml.safe_dump({"version": 2, "exposures": found}, sort_keys=False, width=120) if found else ""
    if text == (file.read_text() if file.exists() else ""):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return True


def forget_removed(folder: Path, models: Path) -> None:
    """Drop the file when a sync in it is no model any more: dbt parses no exposure of a model that it cannot find."""
    file = folder / FILE
    if not file.exists():
        return
    there = {path.stem for path in models.rglob("*.sql")}
    if any(exposure["name"] not in there for exposure in (yaml.safe_load(file.read_text()) or {}).get("exposures", ())):
        file.unlink()
