"""Write, audit, publish: a new folder beside the last one, then the pointer in one step.

A reader sees the old publication or the new one, whenever this process is killed; what a killed one left is removed by
the next. What was published already is not published again, and when only the syncs have been at work, only what they
say is written anew.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.published.audit import check
from kinship.published.drafting import Draft, Parquet, write_draft
from kinship.published.pruning import DRAFT, SPILL, kept, prune, sweep
from kinship.published.publication import (
    LINK,
    POINTER,
    RECORD,
    NothingPublished,
    Publication,
    current,
    sync_folder,
    write_record,
)
from kinship.settings import Settings

Written = Literal["everything", "syncs", "nothing"]


@dataclass(frozen=True)
class Outcome:
    """What is published now, and how much of it this call wrote."""

    publication: Publication
    written: Written
    removed: tuple[str, ...]
    """Publications that were pruned."""
    seconds: float


def publish(settings: Settings) -> Outcome:
    """Publish what the last build and the syncs left, if it is not published yet. One at a time: a second call waits.

    Raises `StoppedByGuard` when the tables are not those of a build that passed its checks, or when personal data is
    not masked for want of a class, `KinshipError` when the files cannot be written; the last publication then stays.
    """
    started = time.monotonic()
    keep, parquet = kept(), _parquet()
    settings.published.mkdir(parents=True, exist_ok=True)
    with _alone(settings.published):
        last = _last(settings)
        sweep(settings.published, last)
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S%f}"
        folder = settings.published / f"{name}{DRAFT}"
        try:
            draft = write_draft(settings, last, folder, parquet)
            if draft is not None:
                last = _publication(settings.published / name, now, draft)
                check(last.model_copy(update={"folder": folder}), draft.changed)
                _show(folder, last)
        except duckdb.IOException as error:
            # it tells of files, never of values
            raise KinshipError(f"the copy could not be written: {str(error).splitlines()[0]}") from error
        finally:
            # a draft of unmasked data stays no longer than it must
            for left in (folder, settings.published / SPILL):
                shutil.rmtree(left, ignore_errors=True)
        assert last is not None  # noqa: S101 - without a last one there is always a draft
        _link(last)
        removed = prune(settings.published, last, keep) if draft is not None else []
    written: Written = "nothing" if draft is None else "everything" if draft.is_whole else "syncs"
    return Outcome(last, written, tuple(removed), time.monotonic() - started)


def _publication(folder: Path, now: datetime, draft: Draft) -> Publication:
    state = draft.state
    return Publication(
        run=folder.name,
        folder=folder,
        as_of=state.as_of,
        built_at=state.built_at,
        published_at=now,
        run_id=state.run_id,
        tables=state.tables,
        syncs=state.syncs,
        rows=dict(draft.rows),
        checks=state.checks,
    )


def _show(draft: Path, publication: Publication) -> None:
    """Bring the files to the disk, give the folder its name, and switch the pointer: only now does a reader see it."""
    for path in (path for path in draft.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_record(publication, draft / RECORD)
    draft.chmod(publication.folder.parent.stat().st_mode)
    draft.rename(publication.folder)
    sync_folder(publication.folder.parent)
    write_record(publication, publication.folder.parent / POINTER)


def _link(publication: Publication) -> None:
    link = publication.folder.with_name(LINK)
    if link.is_symlink() and link.readlink() == Path(publication.folder.name):
        return
    if link.is_dir() and not link.is_symlink():
        # the data folder was copied by something that follows links
        shutil.rmtree(link)
    draft = link.with_name(f".{LINK}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(publication.folder.name)
    draft.replace(link)


def _last(settings: Settings) -> Publication | None:
    try:
        last = current(settings)
    except NothingPublished:
        return None
    return last if last.is_there else None


@contextmanager
def _alone(published: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a killed process."""
    with (published / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parquet() -> Parquet | None:
    value = os.environ.get("KINSHIP_PUBLISHED_PARQUET", "")
    if value in ("masked", "full"):
        return value  # type: ignore[return-value]
    if value:
        raise WrongUse(f"KINSHIP_PUBLISHED_PARQUET must be masked or full, got {value!r}")
    return None
