# ruff: noqa: S608 - SQL is put together here, every name and value through orchestration.extract.sql
"""What has arrived of one table of a database: the key and hash of every row, and how far we are.

They lie in a DuckDB file beside the arrivals. A file of rows is moved into place first and counted then, in the
transaction that keeps its keys: what a killed process left uncounted is removed, and its rows are read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from kinship.sql import literal, quoted
from orchestration.extract.ledger import Entry
from orchestration.extract.silos.database import BETWEEN, NULL


class Known:
    """`folder` takes the finished files `00000001.parquet` and so on; `keys` are the columns of the primary key."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        table: str,
        keys: Sequence[str],
        columns: Sequence[str],
    ) -> None:
        self.connection = connection
        self.folder = folder / table
        self.folder.mkdir(parents=True, exist_ok=True)
        self.draft = folder / f".{table}.parquet.draft"
        """A file before it is moved into place."""
        self.table = table
        self.keys = list(keys)
        self.rows = 0
        self.bytes = 0
        self._name = quoted(f"rows of {table}")
        self._key = key_of(keys)
        # as the database works it out (Table._hash)
        filled = ", ".join(f"coalesce({quoted(column)}, chr({ord(NULL)}))" for column in columns)
        self._hash = f"md5(concat_ws(chr({ord(BETWEEN)}), {filled}))"
        connection.execute("create table if not exists progress (table_name varchar primary key, value varchar)")
        connection.execute(f"create table if not exists {self._name} (key varchar, hash varchar)")
        found = connection.execute("select value from progress where table_name = ?", [table]).fetchone()
        self.progress: dict[str, Any] = json.loads(found[0]) if found else {}
        self._trim()

    @property
    def number(self) -> int:
        """The number of the last file."""
        return int(self.progress.get("number", 0))

    def lacking(self, loaded: Collection[Entry]) -> int:
        """How many files are neither loaded nor here, though they count: of a warehouse deleted or put back."""
        there = {Path(entry.file).name for entry in loaded if entry.table_name == self.table}
        first = int(self.progress.get("first", 1))
        return sum(
            self._path(n).name not in there and not self._path(n).exists() for n in range(first, self.number + 1)
        )

    def void(self, **progress: Any) -> None:
        """Forget every row; files get new numbers."""
        with self._transaction():
            self.connection.execute(f"delete from {self._name}")
            self.progress = {"number": self.number, "first": self.number + 1, **progress}
            self._keep()

    def put(self, **progress: Any) -> None:
        """Keep how far we are."""
        if any(self.progress.get(name) != value for name, value in progress.items()):
            with self._transaction():
                self.progress |= progress
                self._keep()

    def take(self, page: pa.Table, **progress: Any) -> int:
        """Write the rows that are new or changed, and keep the progress with them. Returns how many they were."""
        self.connection.register("page", page)
        self.connection.execute(
            f"create or replace temp table fresh as "
            f"with hashed as (select *, {self._key} as _key, {self._hash} as _hash from page) "
            f"select hashed.* from hashed left join {self._name} as known on known.key = hashed._key "
            "where known.hash is distinct from hashed._hash"
        )
        self.connection.unregister("page")
        return self._write("fresh", progress)

    def take_away(self, keys: pa.Table, columns: dict[str, str], **progress: Any) -> int:
        """Write a tombstone for each known row with such a key. `columns`: its columns, as SQL over the key's."""
        self.connection.register("page", keys)
        chosen = ", ".join(f"{expression} as {quoted(name)}" for name, expression in columns.items())
        self.connection.execute(
            f"create or replace temp table gone as select distinct {chosen}, {self._key} as _key, "
            f"cast(null as varchar) as _hash from page where {self._key} in (select key from {self._name})"
        )
        self.connection.unregister("page")
        return self._write("gone", progress)

    def _write(self, rows: str, progress: dict[str, Any]) -> int:
        (count,) = self.connection.execute(f"select count(*) from {rows}").fetchone() or (0,)
        if count:
            number = self.number + 1
            self.connection.execute(
                f"copy (select * exclude (_key, _hash) from {rows}) to {literal(str(self.draft))} (format parquet)"
            )
            with self.draft.open("rb+") as stream:
                os.fsync(stream.fileno())
            self.bytes += self.draft.stat().st_size
            self.draft.rename(self._path(number))
            sync(self.folder)
            progress = {**progress, "number": number}
        if count or any(self.progress.get(name) != value for name, value in progress.items()):
            with self._transaction():
                if count:
                    self.connection.execute(f"delete from {self._name} where key in (select _key from {rows})")
                    self.connection.execute(
                        f"insert into {self._name} select _key, _hash from {rows} where _hash is not null"
                    )
                self.progress |= progress
                self._keep()
        self.rows += count
        return int(count)

    def compare(self, digests: Iterator[pa.Table]) -> tuple[int, int, int]:
        """Hold all keys and hashes of the database against those known: how many are there, gone, and differ.

        `gone` and `differing` then give them.
        """
        keys = ", ".join(f"{quoted(key)} varchar" for key in self.keys)
        self.connection.execute(f"create or replace temp table listed ({keys}, _hash varchar)")
        for page in digests:
            self.connection.register("page", page)
            self.connection.execute("insert into listed by name select * from page")
            self.connection.unregister("page")
        self.connection.execute(
            f"create or replace temp table missing as select key from {self._name} "
            f"where key not in (select {self._key} from listed)"
        )
        self.connection.execute(
            f"create or replace temp table differing as select listed.* from listed left join {self._name} as known "
            f"on known.key = {self._key} where known.hash is distinct from listed._hash"
        )
        tables = ("listed", "missing", "differing")
        counts = [self.connection.execute(f"select count(*) from {table}").fetchone() for table in tables]
        listed, missing, differing = (int(count[0]) for count in counts if count)
        return listed, missing, differing

    def gone(self) -> pa.Table:
        """The keys of rows that the comparison did not find."""
        if len(self.keys) == 1:
            parts = f"key as {quoted(self.keys[0])}"
        else:
            parts = ", ".join(f"key ->> {number} as {quoted(key)}" for number, key in enumerate(self.keys))
        return self.connection.sql(f"select {parts} from missing").to_arrow_table()

    def differing(self) -> list[tuple[str, ...]]:
        """The keys of rows that the comparison found new or changed."""
        keys = ", ".join(quoted(key) for key in self.keys)
        return self.connection.execute(f"select {keys} from differing").fetchall()

    def size(self) -> int:
        """How many rows are known."""
        return int((self.connection.execute(f"select count(*) from {self._name}").fetchone() or (0,))[0])

    def _keep(self) -> None:
        values = [self.table, json.dumps(self.progress)]
        self.connection.execute("insert or replace into progress values (?, ?)", values)

    def _transaction(self) -> _Transaction:
        return _Transaction(self.connection)

    def _trim(self) -> None:
        """Remove what a killed process left: its draft, DuckDB's own of that, and the files that count for nothing."""
        self.draft.unlink(missing_ok=True)
        self.draft.with_name(f"tmp_{self.draft.name}").unlink(missing_ok=True)
        for path in self.folder.glob("*.parquet"):
            if path.stem.isdigit() and int(path.stem) > self.number:
                path.unlink()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.parquet"


def key_of(keys: Sequence[str]) -> str:
    """SQL for the key of a row: its one column, or a JSON list of several."""
    if len(keys) == 1:
        return quoted(keys[0])
    return f"cast(to_json([{', '.join(quoted(key) for key in keys)}]) as varchar)" if keys else "cast(null as varchar)"


class _Transaction:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.begin()

    def __exit__(self, error: object, *_: object) -> None:
        if error:
            self._connection.rollback()
        else:
            self._connection.commit()


def sync(folder: Path) -> None:
    """Let a rename in the folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
