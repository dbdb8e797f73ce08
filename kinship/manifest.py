"""dbt's manifest, parsed only when something it depends on has changed: a parse costs seconds, a look does not."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from kinship import exposures
from kinship.errors import KinshipError
from kinship.settings import ROOT, settings

# What the manifest is made of; expectations and Python are no part of it.
PROJECT_FILES = ("dbt_project.yml", "profiles.yml", "models", "seeds", "dbt_project")

SEMANTIC_MANIFEST = "semantic_manifest.json"


def manifest_path() -> Path:
    """Where this warehouse's manifest lies: beside the warehouse, so that two of them never mix."""
    return settings().state / "dbt" / "manifest" / "manifest.json"


def semantic_manifest_path() -> Path:
    """Where the metrics' definitions lie, beside the manifest of the same parse."""
    return prepare_manifest().with_name(SEMANTIC_MANIFEST)


def dbt_executable() -> str:
    """The dbt of this environment, which need not be on the PATH; on Spark the one that opens the session."""
    return str(Path(sys.executable).with_name("kinship-dbt" if settings().target == "spark" else "dbt"))


def digest_of(names: Iterable[str], *extra: str) -> str:
    """A digest of the named files and folders of the project, by content, and of further values."""
    digest = hashlib.sha256("\0".join(extra).encode())
    for name in names:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc")
        for file in files:
            digest.update(f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()


def prepare_manifest() -> Path:
    """Parse the project if it changed since the last parse, and return the manifest's path.

    Raises `KinshipError` with dbt's own words when the project does not parse.
    """
    now = settings()
    path = manifest_path()
    stamp = path.with_name("digest")
    # relations are named after the file's stem; where it lies does not matter
    wanted = digest_of(PROJECT_FILES, now.target, now.warehouse.stem, os.environ.get("KINSHIP_AS_OF", ""))
    if path.exists() and stamp.exists() and stamp.read_text() == wanted:
        _show_to_mf(path)
        return path
    stamp.unlink(missing_ok=True)
    target_folder(path.parent.name)
    exposures.forget_removed(now.exposures, ROOT / "models")
    _parse(path.parent)
    if exposures.write(now.exposures, json.loads(path.read_text())):
        _parse(path.parent)
    stamp.write_text(wanted)
    _show_to_mf(path)
    return path


def target_folder(name: str) -> Path:
    """A folder for one purpose's artefacts of dbt, overwritten by the next run, that starts from the latest parse.

    The latest of any purpose: dbt reads the whole project anew (24 processor seconds) where the warehouse has moved,
    and the manifest is no newer for that.
    """
    folder = settings().state / "dbt" / name
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "partial_parse.msgpack"
    latest = max(folder.parent.glob(f"*/{own.name}"), key=lambda parse: parse.stat().st_mtime, default=own)
    if latest != own:
        shutil.copy2(latest, own)
    return folder


def _show_to_mf(manifest: Path) -> None:
    """Put the metrics' definitions where `mf` looks for them. It knows no Spark."""
    if settings().target == "spark":
        return
    text = manifest.with_name(SEMANTIC_MANIFEST).read_text()
    shown = ROOT / "target" / SEMANTIC_MANIFEST
    if not shown.exists() or shown.read_text() != text:
        shown.parent.mkdir(exist_ok=True)
        draft = shown.with_name(f"{SEMANTIC_MANIFEST}.{os.getpid()}")
        draft.write_text(text)
        draft.replace(shown)


def _parse(folder: Path) -> None:
    now = settings()
    parse = subprocess.run(
        [
            dbt_executable(),
            "--quiet",
            "parse",
            "--target",
            now.target,
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT),
        ],
        env={**os.environ, **now.environment(), "DBT_TARGET_PATH": str(folder), "DBT_LOG_PATH": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if parse.returncode:
        raise KinshipError(f"dbt cannot parse the project:\n{(parse.stdout + parse.stderr).strip()}")


@cache
def _load(path: Path, modified_ns: int) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


def load_manifest() -> dict[str, Any]:
    """The current manifest, read once per version of it."""
    path = prepare_manifest()
    return _load(path, path.stat().st_mtime_ns)
