"""Which way a source comes in: its live API, a database, or files; the environment decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kinship.settings import settings
from orchestration.extract.ledger import Entry
from orchestration.extract.live.feed import Span
from orchestration.extract.live.fetch import Fetched, fetch, jobs
from orchestration.extract.silos import ways as silos
from orchestration.extract.tables import Source
from orchestration.extract.target import ExtractError

Fetch = Callable[[Collection[Entry], Span | None], Fetched]


@dataclass(frozen=True)
class Way:
    """Where the source's files lie, and what first brings new ones there.

    `said_by` is the variable that chose the way, None for the default. `fetch` takes the ledger's entries of files at
    `path`, and a range to fetch again. `keeps_files`: the files are the user's, not ours to remove once loaded.
    `check` reaches the place and says what is there; it raises `ExtractError`.
    """

    path: Path
    said_by: str | None = None
    fetch: Fetch | None = None
    keeps_files: bool = True
    check: Callable[[], str] | None = None


def way(source: Source) -> Way:
    """The way that the environment chooses. Raises `ExtractError` where it chooses two, or one by halves."""
    chosen = [found for kind in (_folder, _drop, _database, _api) if (found := kind(source))]
    if len(chosen) > 1:
        raise ExtractError(
            f"{source.name} is told to come in by {' and by '.join(str(one.said_by) for one in chosen)}: unset one"
        )
    return chosen[0] if chosen else Way(settings().source_path(source.name))


def _folder(source: Source) -> Way | None:
    """`KINSHIP_<SOURCE>_PATH`: a folder or a file."""
    variable = f"KINSHIP_{source.name.upper()}_PATH"
    path = os.environ.get(variable)
    return Way(settings().source_path(source.name), variable) if path and "://" not in path else None


def _drop(source: Source) -> Way | None:
    """`KINSHIP_<SOURCE>_PATH`: a bucket or an SFTP folder."""
    found = silos.drop(source)
    return Way(*found[:3], keeps_files=False, check=found[3]) if found else None


def _database(source: Source) -> Way | None:
    """`KINSHIP_<SOURCE>_URL`: a database."""
    found = silos.database(source)
    return Way(*found[:3], keeps_files=False, check=found[3]) if found else None


def _api(source: Source) -> Way | None:
    """The vendor's credentials: its live API, or several vendors'."""
    if not (todo := jobs(source)):
        return None
    accounts = "+".join(sorted({job.api.account(job.settings) for job in todo}))
    folder = settings().state / "arrivals" / source.name / accounts
    work = settings().state / "live" / source.name / accounts
    said_by = " and ".join(sorted({job.api.variable(source.name) for job in todo}))
    return Way(folder, said_by, partial(fetch, source, folder, work), keeps_files=False)
