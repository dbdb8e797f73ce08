# ruff: noqa: S608 - SQL is put together here, of our own names only
"""What has been fetched of one table, and the files of it that wait to be loaded.

A page is one transaction of a small SQLite file: where to go on from, what was taken, and how long the file in work is
with it. So a process that is killed at any moment goes on after the last page it has finished: what the file in work
has beyond that is cut off.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from orchestration.extract.tables import Type

# a file is finished when it is so large or has so many rows; what is smaller is finished at the end of a fetch
FILE_BYTES = 32 << 20
FILE_ROWS = 200_000

_SCHEMA = """
create table if not exists progress (name text primary key, value text not null);
create table if not exists taken (
    id text not null, hash blob not null, at integer, number integer not null, primary key (id, hash)
) without rowid;
"""


@dataclass(frozen=True)
class Item:
    """One record as it is written: its id, when it changed (microseconds since 1970, None: it does not say), JSON."""

    id: str
    at: int | None
    line: bytes
    record: Mapping[str, Any]


Taken = tuple[str, bytes, int | None, int]
"""A row of the table `taken`: `number` counts the versions of a record in the order in which they came."""


def item(id: str, at: int | None, record: Mapping[str, Any]) -> Item:
    return Item(id, at, orjson.dumps(record), record)


class Arrivals:
    """The arrivals of one table, to be opened by one process at a time.

    `folder` has the finished files, `00000001.jsonl.gz` and so on; `work` is for what must not be seen yet.
    """

    def __init__(self, folder: Path, work: Path, table: str, required: Mapping[str, Type] | None = None) -> None:
        self.required = required or {}
        """The fields that each record must have."""
        self.folder = folder / table
        self.folder.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        self._part = work / f"{table}.part"
        self._database = work / f"{table}.sqlite"
        self._connect()
        self.rows = 0
        """Written since it was opened."""
        self._recover()
        # ids in the file in work; None: a process before this one began it
        self._in_work: set[str] | None = None if self._open[2] else set()

    def _connect(self) -> None:
        self._connection = sqlite3.connect(self._database, isolation_level=None)
        # no wait for the disk at each page: after a power cut some pages may be fetched again, and nothing is torn
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def get(self, name: str) -> Any:
        """A value of the progress, None for one that was never put."""
        row = self._connection.execute("select value from progress where name = ?", [name]).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, **values: Any) -> None:
        """Keep values of the progress; None takes one out."""
        with _Transaction(self._connection):
            self._put(values)

    def add(self, items: Sequence[Item], **progress: Any) -> int:
        """Take a page: write what is new in it, and keep the progress. Returns how many were new."""
        before = self.rows
        while True:
            new, taken, items = self._new(items)
            self._write(new, taken, {} if items else progress)
            if not items:
                return self.rows - before
            self.finish_file()

    def _write(self, new: Sequence[Item], taken: Sequence[Taken], progress: Mapping[str, Any]) -> None:
        number, size, rows = self._open
        if new:
            data = gzip.compress(b"\n".join(one.line for one in new) + b"\n", 1, mtime=0)
            with self._part.open("ab") as stream:
                stream.write(data)
            size += len(data)
            rows += len(new)
        with _Transaction(self._connection):
            if taken:
                self._connection.executemany("insert or replace into taken values (?, ?, ?, ?)", taken)
            self._put({**progress, "open": [number, size, rows]})
        self.rows += len(new)
        if self._in_work is not None:
            self._in_work.update(one.id for one in new)
        if size >= FILE_BYTES or rows >= FILE_ROWS:
            self.finish_file()

    def finish_file(self) -> None:
        """Move the file in work to its place."""
        number, _, rows = self._open
        if not rows:
            return
        with self._part.open("rb+") as stream:
            os.fsync(stream.fileno())
        self._part.rename(self.path(number))
        _sync(self.folder)
        self.put(open=[number + 1, 0, 0])
        self._in_work = set()

    def forget(self, before: int | None, *, keep_latest: bool) -> None:
        """Forget what was taken and changed before a time: pages do not go back so far.

        `keep_latest` keeps one version of each record: to tell what is deleted, every id must be known.
        """
        if before is None:
            return
        latest = "and exists (select 1 from taken as later where later.id = taken.id and later.number > taken.number)"
        self._connection.execute(f"delete from taken where at < ? {latest if keep_latest else ''}", [before])

    def ids(self) -> Iterable[str]:
        """Every id that was taken, sorted; of a table whose latest versions are kept."""
        for (id,) in self._connection.execute("select distinct id from taken order by id"):
            yield id

    def remove(self, ids: Iterable[str]) -> None:
        """Forget records that are deleted."""
        with _Transaction(self._connection):
            self._connection.executemany("delete from taken where id = ?", ([id] for id in ids))

    def path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.jsonl.gz"

    @property
    def cursor(self) -> Any:
        """How far the table is fetched; its form is the feed's."""
        return self.get("since")

    @property
    def numbers(self) -> range:
        """The numbers of the finished files that the progress builds on."""
        return range(self.get("first") or 1, self._open[0])

    def begin_beyond(self, number: int) -> None:
        """Give the next file a number beyond this one: of a progress that was lost, or is older than the warehouse."""
        if self._open[0] <= number and not self._open[2]:
            self.put(first=number + 1, open=[number + 1, 0, 0])

    def void(self) -> None:
        """Forget everything: the next fetch begins at the beginning, with new numbers for its files."""
        number = self._open[0]
        with _Transaction(self._connection):
            self._connection.execute("delete from taken")
            self._connection.execute("delete from progress")
            self._put({"first": number + 1, "open": [number + 1, 0, 0]})
        self._part.unlink(missing_ok=True)
        self._in_work = set()

    @property
    def _open(self) -> tuple[int, int, int]:
        """The file in work: its number, bytes and rows."""
        number, size, rows = self.get("open") or (1, 0, 0)
        return number, size, rows

    def _recover(self) -> None:
        number, size, rows = self._open
        if rows and not self._part.exists():
            # killed between the last two steps of `finish_file`; if its file is not there either, the state is void
            self.put(open=[number + 1, 0, 0])
        elif self._part.exists():
            if self._part.stat().st_size < size or not self._is_sound(size):
                self.void()  # a power cut
            else:
                os.truncate(self._part, size)

    def _is_sound(self, size: int) -> bool:
        """Whether the first `size` bytes of the file in work are what was written: gzip has a checksum per page."""
        with self._part.open("rb") as stream:
            try:
                with gzip.GzipFile(fileobj=cast(Any, _Head(stream, size))) as lines:
                    while lines.read(1 << 20):
                        pass
            except (OSError, EOFError, zlib.error):
                return False
        return True

    def _new(self, items: Sequence[Item]) -> tuple[list[Item], list[Taken], Sequence[Item]]:
        """The items of a page that are not taken yet, what to remember of them, and the items for a further file.

        A record is taken when its latest version is the same, or when it is an earlier one that we have had: a page
        that repeats. An earlier content that comes back with no earlier time is news. What follows a version of the
        same record in the file in work, without being later by its own time, goes to a further file: by that, models
        know which came later.
        """
        known: dict[str, dict[bytes, tuple[int | None, int]]] = {}
        ids = json.dumps([one.id for one in items])
        for id, hash, at, number in self._connection.execute(
            "select taken.* from json_each(?) as wanted inner join taken on taken.id = wanted.value", [ids]
        ):
            known.setdefault(id, {})[hash] = (at, number)
        new: list[Item] = []
        taken: list[Taken] = []
        fresh: set[str] = set()
        for position, one in enumerate(items):
            versions = known.setdefault(one.id, {})
            hash = hashlib.blake2b(one.line, digest_size=12).digest()
            number = max((number for _, number in versions.values()), default=0)
            latest = max((at or 0 for at, _ in versions.values()), default=-1)
            if hash in versions and (versions[hash][1] == number or (one.at or 0) < latest):
                continue
            if latest == (one.at or 0) and (self._in_work is None or one.id in self._in_work or one.id in fresh):
                return new, taken, items[position:]
            versions[hash] = (one.at, number + 1)
            new.append(one)
            fresh.add(one.id)
            taken.append((one.id, hash, one.at, number + 1))
        return new, taken, []

    def _put(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if value is None:
                self._connection.execute("delete from progress where name = ?", [name])
            else:
                self._connection.execute("insert or replace into progress values (?, ?)", [name, json.dumps(value)])


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("begin immediate")

    def __exit__(self, error: object, *_: object) -> None:
        self._connection.execute("rollback" if error else "commit")


class _Head:
    """The first bytes of a stream, as a stream."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
