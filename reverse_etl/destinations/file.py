"""Files in a directory: the destination that needs no network (`files.py` says what is in them)."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import duckdb

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Target
from reverse_etl.errors import ConfigurationError, Retryable
from reverse_etl.files import LIMITS, Feed, FeedOptions, render
from reverse_etl.limits import Limits, Options

Written = TypeVar("Written")


class FileOptions(FeedOptions):
    """`directory` may be relative to the folder of the warehouse; default `KINSHIP_FILE_DIR`, or `outbox` there."""

    directory: str | None = None


class FileDestination(Destination):
    """Writes `<directory>/<sync>/<batch id>.<format>` and `<batch id>.manifest.json`."""

    options_model = FileOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: FileOptions = target.options
        self._feed = Feed(target, options)
        directory = options.directory or os.environ.get("KINSHIP_FILE_DIR") or "outbox"
        self._root = (target.state / Path(directory).expanduser()).resolve()

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return LIMITS

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return render(column, kind)

    async def check(self) -> CheckResult:
        existing = next(folder for folder in (self._root, *self._root.parents) if folder.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            return CheckResult("file", "failed", f"cannot write to {existing}")
        return CheckResult("file", "ok", f"writes to {self._root}")

    async def prepare(self) -> None:
        self._make(self._root)
        if not os.access(self._root, os.W_OK):
            raise ConfigurationError(f"the directory {self._root} is not writable")

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    async def _write(self, batch: Batch) -> AsyncIterator[Outcome]:
        await self.target.meter.call()
        try:
            await asyncio.to_thread(self._place, batch)
        except (OSError, duckdb.IOException):
            raise Retryable("not_written", f"cannot write below {self._root}: is the disk full?") from None
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    def _place(self, batch: Batch) -> None:
        data, manifest = (self._root / name for name in self._feed.names(batch))
        self._make(data.parent)
        delta = _replace(data, lambda draft: self._feed.write(batch, draft))
        _replace(manifest, lambda draft: draft.write_bytes(delta.manifest))

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot make the directory {folder}: {error.strerror}") from None


def _replace(path: Path, write: Callable[[Path], Written]) -> Written:
    """Write beside, flush to disk, rename."""
    draft = path.with_name(f".{path.name}.part")
    written = write(draft)
    _flush(draft)
    draft.replace(path)
    _flush(path.parent)
    return written


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
