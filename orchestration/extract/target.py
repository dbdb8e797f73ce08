"""Which way records take into the warehouse, by `KINSHIP_TARGET`; and that one process at a time takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from kinship.errors import KinshipError
from kinship.settings import settings
from kinship.writing import Tell, lock, wait_for
from orchestration.extract.ledger import Entry
from orchestration.extract.tables import Source

if TYPE_CHECKING:
    from orchestration.extract.run import Run


Busy = Literal["refuse", "wait", "load"]
"""What an extraction of a source does that another one fetches: it fails, waits, or loads what has arrived so far."""


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


class Note:
    """A note on disk that outlives a killed process: a load of a source has begun, not ended."""

    def __init__(self, source: str) -> None:
        # one per target: what one has begun, only the same can finish
        self._note = settings().dlt / f"{source}.{settings().target}.loading"

    @property
    def is_there(self) -> bool:
        return self._note.exists()

    def write(self) -> None:
        self._note.touch()

    def remove(self) -> None:
        self._note.unlink(missing_ok=True)


@contextmanager
def alone(source: str, busy: Busy, tell: Tell) -> Iterator[bool]:
    """Let no two extractions ask one source at the same time: they would share its rate, and what is new.

    Where there is another: raises `ExtractError`, waits until it has ended, or yields False at once.
    """
    folder = settings().dlt
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{source}.lock").open("a") as file:
        is_mine = lock(file)
        if not is_mine and busy == "refuse":
            raise ExtractError(f"another extraction of {source} is running: wait until it has finished")
        if not is_mine and busy == "wait":
            tell(f"waiting for another extraction of {source} to end")
            wait_for(file)
            is_mine = True
        yield is_mine
