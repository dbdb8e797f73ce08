"""Which publications stay, and what a killed publisher left behind."""

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kinship.errors import WrongUse
from kinship.published.publication import Publication, read_record

KEEP = 3
GRACE = timedelta(minutes=10)
"""So long after the next one a publication stays in any case: somebody has read its name and opens it now."""

DRAFT = ".partial"
"""How the name of a folder ends that is being written."""

SPILL = "spill"
"""The folder for what does not fit into memory."""

_NAME = re.compile(r"\d{8}T\d{12}(" + re.escape(DRAFT) + ")?")


def kept() -> int:
    """How many publications stay: KINSHIP_PUBLISHED_KEEP, or 3. The current one is among them."""
    value = os.environ.get("KINSHIP_PUBLISHED_KEEP", str(KEEP))
    if not value.isdecimal() or int(value) < 1:
        raise WrongUse(f"KINSHIP_PUBLISHED_KEEP must be a whole number from 1, got {value!r}")
    return int(value)


def sweep(published: Path, current: Publication | None) -> None:
    """Remove what was never published: drafts, and whole ones whose publisher was killed before the last step."""
    shutil.rmtree(published / SPILL, ignore_errors=True)
    for folder in _folders(published):
        is_late = current is None or folder.name > current.folder.name
        if folder.name.endswith(DRAFT) or is_late:
            shutil.rmtree(folder)


def prune(published: Path, current: Publication, keep: int, now: datetime | None = None) -> list[str]:
    """Remove all but the newest `keep` publications, and those that were current in the last minutes; returns names.

    Who has one open reads on: its blocks are freed when the last reader closes it.
    """
    now = now or datetime.now(UTC)
    removed = []
    until = now  # when the one looked at ceased to be current
    for place, folder in enumerate(sorted(_folders(published), reverse=True)):
        if place >= max(keep, 1) and folder != current.folder and now - until > GRACE:
            shutil.rmtree(folder)
            removed.append(folder.name)
            continue
        record = read_record(folder)
        until = record.published_at if record else until
    return removed


def _folders(published: Path) -> list[Path]:
    return [path for path in published.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]
