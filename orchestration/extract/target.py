"""Which way records take into the warehouse, by `KINSHIP_TARGET`; and that one process at a time takes it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kinship.errors import KinshipError
from kinship.settings import settings
from orchestration.extract.ledger import Entry
from orchestration.extract.tables import Source

if TYPE_CHECKING:
    from orchestration.extract.run import Run


class ExtractError(KinshipError):
    """An extraction that cannot go on; the message says why and what to do."""


class Target(Protocol):
    """A place for raw tables. The modules `warehouse` (DuckDB) and `lake` (Delta tables) are such."""

    def known(self, source: Source) -> tuple[dict[str, set[str]], list[Entry]]:
        """The raw tables of a source that exist, with their columns; and its ledger: the parts of completed loads."""

    def finish(self, source: Source) -> None:
        """Load what a killed run had begun to load, or take it out so that it is read again."""

    def load(self, run: Run) -> list[str]:
        """Load what the run lands, each part with all its rows or not at all; returns the ids of the loads.

        Also takes out rows of loads that never completed. Raises `ExtractError` if the place cannot be written.
        """


def target() -> Target:
    """The place that `KINSHIP_TARGET` names. Raises `ExtractError` where what it needs is not installed."""
    if settings().target != "spark":
        from orchestration.extract import warehouse

        return warehouse
    try:
        from orchestration.extract import lake
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "deltalake":
            raise
        raise ExtractError(
            "KINSHIP_TARGET=spark writes Delta tables, and deltalake is not installed: "
            "install the Spark extra: make spark"
        ) from error
    return lake


class Turn:
    """The right to load a source, and a note on disk that outlives a killed process: a load has begun, not ended."""

    def __init__(self, note: Path) -> None:
        self._note = note

    @property
    def was_cut_short(self) -> bool:
        return self._note.exists()

    def begin(self) -> None:
        self._note.touch()

    def end(self) -> None:
        self._note.unlink(missing_ok=True)


@contextmanager
def alone(source: str) -> Iterator[Turn]:
    """Let no second extraction of the same source run at the same time: both would load the same new files."""
    folder = settings().dlt
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{source}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExtractError(f"another extraction of {source} is running: wait until it has finished") from error
        # a note per target: what one has begun, only the same can finish
        yield Turn(folder / f"{source}.{settings().target}.loading")
