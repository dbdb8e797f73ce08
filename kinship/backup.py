"""A copy of what a warehouse cannot be built again without: ids, memberships, what destinations have accepted, cursors.

Source files are the company's own and published copies are made again: neither is in it. Seeds and models are in git.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.settings import Settings
from kinship.warehouse import connect

PARTIAL = ".partial"
JOURNAL = ".journal"
"""Of a ledger: what is not folded into it yet. One is nothing without the other."""


@dataclass(frozen=True)
class Backup:
    """A finished copy."""

    folder: Path
    files: int
    bytes: int


def back_up(settings: Settings, folder: Path) -> Backup:
    """Copy the state into a new folder below `folder`, named by the time in UTC; it appears when it is whole.

    The warehouse is locked meanwhile, so no run writes; a ledger is locked while it is copied. Raises WrongUse when
    there is nothing to copy or `folder` is inside the state, KinshipError when another process writes the warehouse or
    a ledger.
    """
    if not settings.warehouse.exists():
        raise WrongUse(f"there is no warehouse at {settings.warehouse} yet: `kinship run` builds it")
    if folder.resolve().is_relative_to(settings.state):
        raise WrongUse(f"{folder} lies in what is to be copied; name a folder outside {settings.state}")
    target = folder.resolve() / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    draft = target.with_name(target.name + PARTIAL)
    files = size = 0
    try:
        draft.mkdir(parents=True, mode=0o700)
        with connect(read_only=False) as warehouse:
            warehouse.execute("checkpoint")
            # the warehouse last: POSIX gives up a process's lock on a file as soon as it closes that file once
            for path in [*_state(settings), settings.warehouse]:
                copy = draft / path.relative_to(settings.state)
                if path.is_dir():
                    copy.mkdir()  # empty ones as well: dlt misses its own
                    continue
                _copy(path, copy, is_locked=path == settings.warehouse)
                if copy.exists():
                    files, size = files + 1, size + copy.stat().st_size
        draft.rename(target)
    except FileExistsError:
        raise KinshipError(f"{target} is there already: a backup of this second, or one that was broken off") from None
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Backup(target, files, size)


def _state(settings: Settings) -> Iterator[Path]:
    """Folders and files to copy beside the warehouse, a folder before what is in it. On Spark the lake's are among them
    when it lies there, as by default."""
    left_out = {settings.sources, settings.published}
    for root, folders, names in os.walk(settings.state):
        here = Path(root)
        yield from (here / name for name in folders)
        folders[:] = [name for name in folders if here / name not in left_out and not name.endswith(".tmp")]
        files = (here / name for name in names if not name.endswith((".wal", ".tmp", JOURNAL)))
        yield from (file for file in files if file.is_file() and file != settings.warehouse)
    if (key := settings.published / "mask.key").exists():
        yield key  # with another one every stand-in would be another


def _copy(path: Path, copy: Path, *, is_locked: bool) -> None:
    """One file, whole: a database is copied as of one moment, whoever else has it open."""
    if path.suffix == ".duckdb" and not is_locked:
        with _ledger(path):
            for suffix in (path.suffix, JOURNAL):
                if path.with_suffix(suffix).exists():
                    shutil.copy2(path.with_suffix(suffix), copy.with_suffix(suffix))
    elif path.suffix == ".db":
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    else:
        with contextlib.suppress(FileNotFoundError):  # Dagster's logs come and go
            shutil.copy2(path, copy)


@contextlib.contextmanager
def _ledger(path: Path) -> Iterator[None]:
    try:
        connection = duckdb.connect(str(path))
    except duckdb.IOException:
        raise KinshipError(f"{path} is in use: a sync is under way; try again when it is done") from None
    with connection:
        connection.execute("checkpoint")
        yield
