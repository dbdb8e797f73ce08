"""Whose turn it is to write the warehouse: one process at a time, and a run of Dagster from its first build to its end.

The turn is a lock of the operating system, which a killed process gives back.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from kinship.settings import settings

Tell = Callable[[str], object]
"""Takes a line about what is being waited for."""

_LOOK_AGAIN = 0.2  # seconds


class Turn:
    """The right to write the warehouse. Whoever waits meanwhile is told `who` has it."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._file: IO[str] | None = None

    def take(self, tell: Tell) -> None:
        """Wait for the turn, and keep it until `release`."""
        if self._file:
            return
        path = settings().state / "writing.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            if not lock(file):
                file.seek(0)
                tell(f"waiting for {file.read() or 'another process'}, which writes the warehouse")
                wait_for(file)
            file.truncate(0)
            file.write(self._who)
            file.flush()
        except BaseException:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        """Give the turn back; nothing to do for one that was not taken."""
        if self._file:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    @contextmanager
    def held(self, tell: Tell) -> Iterator[None]:
        """Have the turn for a block; a turn that was taken before is kept beyond it."""
        if self._file:
            yield
            return
        self.take(tell)
        try:
            yield
        finally:
            self.release()


def lock(file: IO[str]) -> bool:
    """Lock an open file until it is closed; False when another has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for(file: IO[str]) -> None:
    """Lock an open file, however long that takes. Looks again and again, so that a signal can end it at once."""
    while not lock(file):
        time.sleep(_LOOK_AGAIN)
