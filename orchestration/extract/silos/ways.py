"""The ways in which a silo comes in, by what the environment names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kinship.settings import settings
from orchestration.extract.ledger import Entry
from orchestration.extract.live.feed import Span
from orchestration.extract.live.fetch import Fetched
from orchestration.extract.tables import Source
from orchestration.extract.target import ExtractError
from reverse_etl.errors import SyncError

if TYPE_CHECKING:
    from orchestration.extract.silos.drops import Store

Fetch = Callable[[Collection[Entry], Span | None], Fetched]
Silo = tuple[Path, str, Fetch, Callable[[], str]]
"""Where arrivals lie, the variable that names the silo, what fetches, and what checks."""


def places(source: str, url: str) -> tuple[Path, Path]:
    """Folders for the arrivals from an address and for the progress: records of two addresses never mix."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]  # without user and password
    digest = hashlib.sha256(f"{parts.scheme}://{parts.username}@{address}{parts.path}".encode())
    address = f"{parts.scheme}_{address}{parts.path}"
    name = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', address).strip('_.')[:80]}-{digest.hexdigest()[:8]}"
    state = settings().state
    return state / "arrivals" / source / name, state / "live" / source / name


def drop(source: Source) -> Silo | None:
    """`KINSHIP_<SOURCE>_PATH` where it names a bucket or an SFTP folder."""
    variable = f"KINSHIP_{source.name.upper()}_PATH"
    url = os.environ.get(variable, "").strip()
    if "://" not in url:
        return None
    scheme = url.partition("://")[0].lower()
    if scheme not in ("s3", "sftp"):
        raise ExtractError(
            f"{variable} is an address of the kind {scheme}://: expected a folder, a file, s3://bucket/prefix or"
            " sftp://user@host:port/folder"
        )
    folder, work = places(source.name, url)
    return (
        folder,
        variable,
        partial(_fetch_drop, source, url, variable, folder, work),
        partial(_check_drop, source, url, variable),
    )


def _fetch_drop(
    source: Source, url: str, variable: str, folder: Path, work: Path, loaded: Collection[Entry], span: Span | None
) -> Fetched:
    from orchestration.extract.silos.drops import fetch

    if span:
        raise ExtractError(f"{source.name} comes in by {variable}: its files have no range that could be fetched again")
    return fetch(source, _store(source, url, variable), folder, work, loaded)


def _check_drop(source: Source, url: str, variable: str) -> str:
    from orchestration.extract.silos.drops import check

    return check(source, _store(source, url, variable))


def _store(source: Source, url: str, variable: str) -> Store:
    try:
        if url.lower().startswith("s3://"):
            from orchestration.extract.silos.s3 import Bucket

            return Bucket(url, variable)
        from orchestration.extract.silos.sftp import Folder

        return Folder(url, variable)
    except SyncError as error:
        raise ExtractError(f"{source.name}: {error}") from None


def database(source: Source) -> Silo | None:
    """`KINSHIP_<SOURCE>_URL` where it names a database.

    Other addresses in it are those of destinations (KINSHIP_VTIGER_URL).
    """
    variable = f"KINSHIP_{source.name.upper()}_URL"
    url = os.environ.get(variable, "").strip()
    scheme = url.partition("://")[0].lower()
    if scheme not in ("postgresql", "postgres", "mysql", "mariadb"):
        return None
    folder, work = places(source.name, url)
    return (
        folder,
        variable,
        partial(_fetch_database, source, url, variable, folder, work),
        partial(_check_database, source, url, variable),
    )


def _fetch_database(
    source: Source, url: str, variable: str, folder: Path, work: Path, loaded: Collection[Entry], span: Span | None
) -> Fetched:
    from orchestration.extract.silos.feed import fetch

    if span:
        raise ExtractError(f"{source.name} comes in by {variable}: its tables are compared whole, which a range is not")
    return fetch(source, url, variable, folder, work, loaded)


def _check_database(source: Source, url: str, variable: str) -> str:
    from orchestration.extract.silos.feed import check

    return check(source, url, variable)
