"""Requests that Google works on after it has answered: their ids are written down, and their end is waited for."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverse_etl.destination import Row
from reverse_etl.errors import ConfigurationError, Retryable

_KEPT_SECONDS = 7 * 24 * 3600.0
"""After a week a request is asked for no more: what it was about is sent again."""


@dataclass(frozen=True)
class Patience:
    """Waits between two looks at a request, in seconds, each half as long again, and how long it may take."""

    first: float
    longest: float
    total: float


@dataclass(frozen=True)
class Verdict:
    """How a request ended: `SUCCESS`, `PARTIAL_SUCCESS` or `FAILED`, and how many records failed for which reason."""

    status: str
    reasons: dict[str, int]


class Requests:
    """The open requests of one sync, by a digest of their rows. `note` is the file that remembers them, ids only.

    `look` gives the verdict of a request, or None while Google works on it; KeyError says that it does not know it.
    """

    def __init__(self, note: Path, look: Callable[[str], Awaitable[Verdict | None]], patience: Patience) -> None:
        self._note = note
        self._look = look
        self._patience = patience
        self._open: dict[str, dict[str, Any]] = {}
        try:
            self._open = json.loads(note.read_text())
        except FileNotFoundError:
            pass
        except ValueError:
            raise ConfigurationError(f"{note} is damaged: delete it; what was on its way is sent again") from None

    def find(self, name: str) -> str | None:
        """The id of the open request about these rows."""
        entry = self._open.get(name)
        return str(entry["request"]) if entry else None

    def add(self, name: str, request: str) -> None:
        self._open[name] = {"request": request, "at": time.time()}
        self._write()

    def close(self, name: str) -> None:
        if self._open.pop(name, None) is not None:
            self._write()

    async def settle(self) -> None:
        """Wait for the requests of earlier runs: one that still works could undo what this run sends.

        Those that ended stay noted until their rows are asked for. Raises Retryable when one takes too long.
        """
        for name in [name for name, entry in self._open.items() if time.time() - entry["at"] > _KEPT_SECONDS]:
            self.close(name)
        for name in list(self._open):
            try:
                await self.wait(name)
            except KeyError:
                self.close(name)

    async def wait(self, name: str) -> Verdict:
        """The end of an open request. Raises Retryable when it takes too long, KeyError when Google forgot it."""
        entry = self._open[name]
        pause = self._patience.first
        while (verdict := await self._look(entry["request"])) is None:
            left = entry["at"] + self._patience.total - time.time()
            if left <= 0:
                raise Retryable("still_processing", "google still works on what was sent; the next run asks again")
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, self._patience.longest)
        return verdict

    def _write(self) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        if not self._open:
            self._note.unlink(missing_ok=True)
            return
        draft = self._note.with_suffix(".part")
        draft.write_text(json.dumps(self._open))
        draft.replace(self._note)


def name_of(method: str, rows: Sequence[Row]) -> str:
    """A digest of what is asked for these rows: the same rows with the same content have the same."""
    digest = hashlib.sha256(method.encode())
    for row in rows:
        digest.update(f"\0{row.key}\0{row.payload_hash}".encode())
    return digest.hexdigest()
