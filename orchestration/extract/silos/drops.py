"""Folders of others (a bucket, an SFTP server): what is new or changed there is copied, and the copies are taken in.

A listing tells what has changed; nothing else is asked when nothing has. A file arrives under its own name, so that
extraction sees a file that has grown or was replaced as it sees one of a folder of ours. It is copied to a draft and
moved into place whole; a copy that was cut off goes on where it stopped. The copies are removed once they are loaded.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ParamSpec, Protocol, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from orchestration.extract.files import ENDINGS, Ignored, table_of
from orchestration.extract.ledger import Entry
from orchestration.extract.live.fetch import Fetched
from orchestration.extract.tables import Source
from orchestration.extract.target import ExtractError
from reverse_etl.errors import Retryable, SyncError

_AT_ONCE = 6
_SYNC_EVERY = 64 << 20
_TRIES = 5
_LOOK = 1000
# times are whole seconds: what is read so long after it was listed, no later change can leave with its time
_SETTLED = 2.0
# how old a file is by our clock, give or take its jumps, for which nobody need wait
_OLD = 86_400.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Item:
    """A file of the drop as the listing tells it. `tag` changes with the content; `modified` is in seconds."""

    file: str
    size: int
    modified: int
    tag: str


class Changed(Exception):
    """The file is another one now than the listing told."""


class Store(Protocol):
    """Where the files lie. Its failures are `SyncError`s, of which a `Retryable` is worth another try."""

    calls: int
    exact: bool
    """Whether every change of content changes the tag; if not, one within the same second may not."""

    def list(self) -> AsyncIterator[Item]:
        """The files below the place, at any depth."""

    def read(self, item: Item, start: int) -> AsyncIterator[bytes]:
        """The file's bytes from `start` to the size that was listed. Raises `Changed`."""

    async def close(self) -> None: ...


def fetch(source: Source, store: Store, folder: Path, work: Path, loaded: Collection[Entry]) -> Fetched:
    """Copy what is new or changed in a drop to `folder`; `loaded` are the ledger's entries of files in it.

    Raises `ExtractError` where the drop cannot be reached.
    """
    drop = _Drop(source, store, folder, work, loaded)
    try:
        asyncio.run(drop.fetch())
    except SyncError as error:
        raise ExtractError(f"{source.name}: {error}") from None
    finally:
        drop.index.close()
    return drop.fetched


def check(source: Source, store: Store) -> str:
    """List the drop, up to a thousand files of it, and say what is there. Raises `ExtractError`."""

    async def look() -> list[Item]:
        items = []
        try:
            async for item in store.list():
                items.append(item)
                if len(items) == _LOOK:
                    break
        finally:
            await store.close()
        return items

    try:
        items = asyncio.run(look())
    except SyncError as error:
        raise ExtractError(f"{source.name}: {error}") from None
    fit = [item for item in items if not unfit(item, source)]
    if not fit:
        raise ExtractError(f"{source.name}: none of the {len(items):,} files there is one of a table")
    more = " or more" if len(items) == _LOOK else ""
    return f"{len(fit):,}{more} files of its tables are there"


class _Drop:
    def __init__(self, source: Source, store: Store, folder: Path, work: Path, loaded: Collection[Entry]) -> None:
        self.source = source
        self.store = store
        self.folder = folder
        self.work = work
        self.fetched = Fetched()
        self.listed = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        self.index = sqlite3.connect(work / "index.sqlite", isolation_level=None)
        self.index.execute(
            "create table if not exists copied (file text primary key, tag text not null, modified_ns integer not null)"
        )
        self.loaded = {(entry.file, entry.first_byte + entry.bytes, entry.modified_ns) for entry in loaded}

    async def fetch(self) -> None:
        try:
            wanted = await self._patiently(self._wanted)
            drafts = {self._draft(item) for item in wanted}
            for left in self.work.glob("*.part"):
                if left not in drafts:
                    left.unlink()
            todo = iter(wanted)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(wanted))):
                    group.create_task(self._work_off(todo))
        except* SyncError as errors:
            raise errors.exceptions[0] from None
        finally:
            self.fetched.calls = self.store.calls
            with suppress(SyncError):
                await self.store.close()

    async def _wanted(self) -> list[Item]:
        """What must be copied: what changed since it was copied, or is neither loaded nor here."""
        known = {file: (tag, ns) for file, tag, ns in self.index.execute("select file, tag, modified_ns from copied")}
        wanted, ignored = [], []
        async for item in self.store.list():
            if reason := unfit(item, self.source):
                ignored.append(Ignored(item.file, reason))
                continue
            tag, modified_ns = known.get(item.file, (None, 0))
            is_here = (item.file, item.size, modified_ns) in self.loaded or (self.folder / item.file).is_file()
            if tag != item.tag or not is_here:
                wanted.append(item)
        self.listed = time.monotonic()
        self.fetched.ignored = ignored
        return sorted(wanted, key=lambda item: (item.modified, item.file))

    async def _work_off(self, todo: Iterator[Item]) -> None:
        for item in todo:
            try:
                await self._patiently(self._copy, item)
            except Changed:
                self._draft(item).unlink(missing_ok=True)
                self.fetched.notes.append(f"{item.file} changed while it was copied: the next run takes it")
            except OSError as error:
                if not isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
                    raise  # a full disk, and the like
                reason = "another file has the name of its folder, or a folder has its name"
                self.fetched.ignored.append(Ignored(item.file, reason))

    async def _copy(self, item: Item) -> None:
        draft, target = self._draft(item), self.folder / item.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.store.exact and abs(time.time() - item.modified) < _OLD:
            await asyncio.sleep(self.listed + _SETTLED - time.monotonic())
        hasher = hashlib.sha256()
        with draft.open("a+b") as stream:
            start = min(stream.tell(), item.size)
            stream.seek(0)
            stream.truncate(start)
            while data := stream.read(1 << 20):
                hasher.update(data)
            unsynced = 0
            if start < item.size:
                async for data in self.store.read(item, start):
                    stream.write(data)
                    hasher.update(data)
                    self.fetched.bytes += len(data)
                    unsynced += len(data)
                    if unsynced > _SYNC_EVERY:
                        os.fsync(stream.fileno())
                        unsynced = 0
            stream.flush()
            if stream.tell() != item.size:
                raise Changed
            os.fsync(stream.fileno())
        # the listing's times are whole seconds: what was replaced within one must still look changed
        modified_ns = item.modified * 10**9 + int.from_bytes(hasher.digest()[:8]) % 10**9
        os.utime(draft, ns=(modified_ns, modified_ns))
        draft.rename(target)
        _sync(target.parent)
        self.index.execute("insert or replace into copied values (?, ?, ?)", [item.file, item.tag, modified_ns])

    def _draft(self, item: Item) -> Path:
        name = hashlib.sha256(f"{item.file}\0{item.tag}".encode()).hexdigest()[:32]
        return self.work / f"{name}.part"

    async def _patiently(self, function: Callable[P, Awaitable[R]], *arguments: P.args, **named: P.kwargs) -> R:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Retryable),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(0.1, 20),
            reraise=True,
        )
        return await retrying(function, *arguments, **named)


def unfit(item: Item, source: Source) -> str | None:
    """Why a file is left where it is."""
    path = PurePosixPath(item.file)
    if path.is_absolute() or {"..", "."} & set(item.file.split("/")) or "\0" in item.file:
        return "its name leads out of the folder"
    if max(len(os.fsencode(part)) for part in path.parts) > 255:
        return "its name is too long"
    if not item.file.lower().endswith(tuple(ENDINGS)):
        return f"its ending is none of {', '.join(ENDINGS)}"
    if table_of(item.file, list(source.tables)) is None:
        return f"it belongs to none of the tables {', '.join(source.tables)}"
    return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
