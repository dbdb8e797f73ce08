"""What changed in the tables of a database arrives as Parquet files.

A table with a primary key and a column that says when a row changed is read from where the last run stopped, less an
overlap; every `compare` all keys and hashes are compared, which finds deletions and what the column did not tell. A
table without such a column is compared in every run. One without a key is read whole when its fingerprint differs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from kinship.sql import literal, quoted
from orchestration.extract.columns import column_name
from orchestration.extract.ledger import Entry
from orchestration.extract.live.fetch import Fetched
from orchestration.extract.silos.database import CHUNK, Database, Table, code_of, value
from orchestration.extract.silos.known import Known, sync
from orchestration.extract.silos.options import CURSORS, Options, options
from orchestration.extract.tables import DELETED_AT, Source
from orchestration.extract.target import ExtractError

_FILE_ROWS, _FILE_BYTES = 10 * CHUNK, 64 << 20
_MANY = 20_000
_TRIES = 4


class Doubtful(Exception):
    """The database says what is hardly so; the message says what to do."""


def fetch(source: Source, url: str, variable: str, folder: Path, work: Path, loaded: Collection[Entry]) -> Fetched:
    """Fetch what changed in the source's tables into `folder`; a table that fails stops no other.

    `work` keeps the progress, `loaded` are the ledger's entries of files in `folder`. Raises `ExtractError` where the
    database cannot be read at all.
    """
    chosen = options(source.name, list(source.tables))
    database = Database(url, variable)
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(work / "rows.duckdb"), config={"memory_limit": "1GB", "threads": 2}) as connection:
        try:
            return Feed(source, database, chosen, folder, connection, loaded).fetch()
        finally:
            database.close()


def check(source: Source, url: str, variable: str) -> str:
    """Read a row of every table, and say how each would be fetched. Raises `ExtractError`."""
    chosen = options(source.name, list(source.tables))
    database = Database(url, variable)
    with duckdb.connect() as connection, tempfile.TemporaryDirectory(prefix="kinship-") as folder:
        try:
            return Feed(source, database, chosen, Path(folder), connection, ()).look()
        finally:
            database.close()


class Feed:
    """One fetch of one source."""

    def __init__(
        self,
        source: Source,
        database: Database,
        chosen: Options,
        folder: Path,
        connection: duckdb.DuckDBPyConnection,
        loaded: Collection[Entry],
    ) -> None:
        self.source = source
        self.database = database
        self.options = chosen
        self.folder = folder
        self.connection = connection
        self.loaded = loaded
        self.fetched = Fetched()
        self.tables: dict[str, tuple[Table, Known]] = {}

    def fetch(self) -> Fetched:
        self._open_all()
        if self.options.uses_log:
            self._follow_log()
        else:
            for name in self.tables:
                self._guarded(name, self.fetch_table, name)
        self.fetched.calls = self.database.calls
        for name, (_, known) in self.tables.items():
            self.fetched.records[name] = known.rows
            self.fetched.bytes += known.bytes
        self.fetched.failures = self._failures()
        if all(name in self.fetched.failures for name in self.tables):
            raise ExtractError("; ".join(self.fetched.failures.values()))
        return self.fetched

    def _failures(self) -> dict[str, str]:
        return {
            name: f"{self.source.name}, table {name}: {told}; what was fetched is kept, and the next run goes on there"
            for name, told in self.fetched.failures.items()
        }

    def look(self) -> str:
        """How each table would be fetched. Raises `ExtractError` where one cannot be read."""
        self._open_all()
        for name, (table, _) in self.tables.items():
            self._guarded(name, table.peep)
            self._guarded(name, self.cursor, name)
        if self.options.uses_log:
            from orchestration.extract.silos.log import require

            require(self)
        if self.fetched.failures:
            raise ExtractError("; ".join(f"table {name}: {told}" for name, told in self.fetched.failures.items()))
        told = ", ".join(f"{name} {self._how(name)}" for name in self.tables)
        return "; ".join([told, *self.fetched.notes])

    def _how(self, name: str) -> str:
        table, _ = self.tables[name]
        if not table.keys:
            return "whole, as it has no key"
        if self.options.uses_log:
            return "by the log"
        cursor = self.cursor(name)
        return f"by {cursor}" if cursor else "by comparing all rows, as no column says when one changed"

    def _open_all(self) -> None:
        """Log in and find the tables. Raises `ExtractError` where there is none."""
        if not self._guarded("", self.database.reach):
            raise ExtractError(f"{self.source.name}: {self.fetched.failures['']}")
        absent = []
        for name in self.source.tables:
            if not self._guarded(name, self._open, name):
                continue
            if name not in self.tables:
                absent.append(name)
        if not self.tables:
            raise ExtractError(f"{self.source.name}: {self._nothing(absent)}")
        if absent:
            self.fetched.notes.append(f"the database has no table {', '.join(absent)}: nothing is taken of it")

    def _nothing(self, absent: list[str]) -> str:
        if self.fetched.failures:
            return "; ".join(self._failures().values())
        return (
            f"the database of {self.database.variable} has none of the tables {', '.join(absent)}: name those that hold"
            f" them by KINSHIP_{self.source.name.upper()}_TABLES"
        )

    def _guarded(self, name: str, work: Any, *arguments: Any) -> bool:
        """Do something for one table, patiently; what fails is told of that table only."""
        retrying = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(0.1, 10),
            reraise=True,
        )
        try:
            retrying(work, *arguments)
        except SQLAlchemyError as error:
            self.fetched.failures[name] = self.database.explain(error)
        except (Doubtful, LookupError) as error:
            self.fetched.failures[name] = str(error)
        return name not in self.fetched.failures

    def _open(self, name: str) -> None:
        try:
            table = self.database.table(self.options.tables.get(name, name))
        except LookupError:
            if name in self.options.tables:
                raise
            return
        known = Known(self.connection, self.folder, name, table.keys, table.columns)
        if lacking := known.lacking(self.loaded):
            known.void()
            self.fetched.notes.append(
                f"{name}: the warehouse lacks {lacking:,} of the files that were fetched: all is fetched again"
            )
        self.tables[name] = (table, known)

    def fetch_table(self, name: str) -> None:
        """Bring one table's arrivals to where the table is now."""
        table, known = self.tables[name]
        if not table.keys:
            self._whole(name)
            return
        before = known.progress.get("cursor")
        cursor = self.cursor(name)
        is_first = known.progress.get("compared") is None
        if cursor is not None:
            self._read_from_cursor(table, known, cursor)
        elif is_first:
            self._take(known, table.rows(order=table.keys))
        if is_first:
            known.put(compared=time.time())  # everything has just been read
        elif cursor is None or self._is_due(known):
            self.compare(name)
        self.fetched.cursors[name] = (before, known.progress.get("cursor"))

    def cursor(self, name: str) -> str | None:
        """The column that says when a row changed: declared, or of a usual name."""
        table, _ = self.tables[name]
        by_name = {column.lower(): column for column in table.columns}
        declared = self.options.cursors.get(name)
        if declared and declared.lower() not in by_name:
            raise Doubtful(
                f"there is no column {declared} (KINSHIP_{self.source.name.upper()}_CURSOR); there are"
                f" {', '.join(table.columns)}"
            )
        return next((by_name[one.lower()] for one in (declared, *CURSORS) if one and one.lower() in by_name), None)

    def _read_from_cursor(self, table: Table, known: Known, cursor: str) -> None:
        column = table.table.c[cursor]
        where = None
        if (last := known.progress.get("cursor")) is not None:
            where = column >= before(value(column, last), self.options.overlap)
            if column.nullable:
                where = sa.or_(where, column.is_(None))
        latest = self._latest(column)
        for page in together(table.rows(where, [cursor, *table.keys])):
            seen = page[cursor].drop_null()
            reached = seen[-1].as_py() if len(seen) else known.progress.get("cursor")
            if reached is not None and latest is not None and comparable(value(column, reached)) > comparable(latest):
                reached = str(latest)  # a row of the future must not hide those that come before it
            known.take(page, cursor=reached)

    def _latest(self, column: sa.Column[Any]) -> datetime | date | None:
        """The database's present time, for a column of times."""
        if not isinstance(column.type, sa.DateTime | sa.Date):
            return None
        present = self.database.present()
        return present if isinstance(column.type, sa.DateTime) else present.date()

    def _take(self, known: Known, pages: Iterator[pa.Table]) -> None:
        for page in together(pages):
            known.take(page)

    def _is_due(self, known: Known) -> bool:
        compared = float(known.progress["compared"])
        # a clock that was put back must not put the comparison off
        return not compared <= time.time() < compared + self.options.compare.total_seconds()

    def compare(self, name: str, expects_much: bool = False) -> None:
        """Compare all keys and hashes: rows that differ are read, those that are gone get a tombstone.

        Raises `Doubtful` where more are gone than is likely, unless `expects_much`.
        """
        table, known = self.tables[name]
        size = known.size()
        present = self.database.present()
        listed, missing, differing = known.compare(table.digests())
        is_accepted = expects_much or bool(os.environ.get("KINSHIP_ACCEPT_CHANGE"))
        if missing > 100 and missing > size / 2 and not is_accepted:
            raise Doubtful(
                f"{missing:,} of {size:,} rows are gone, which we do not take for deletions; if they are, run once with"
                " KINSHIP_ACCEPT_CHANGE=1"
            )
        if differing > _MANY and differing > listed / 5:
            self._take(known, table.rows(order=table.keys))
        elif differing:
            self._take(known, table.rows_of(known.differing()))
        if missing:
            self.bury(name, known.gone(), present)
        known.put(compared=time.time())

    def bury(self, name: str, keys: pa.Table, at: datetime) -> None:
        """Write a tombstone for rows that were gone at a time: their key, and the time also where one is required.

        The time is the database's, as are those of its rows: a tombstone must be later than what it buries.
        """
        table, known = self.tables[name]
        moment = literal(at.isoformat(sep=" "))
        columns = {key: quoted(key) for key in table.keys}
        first = quoted(table.keys[0])
        cursor = self.cursor(name)
        wanted: dict[str, str] = {} if cursor is None else {cursor: "timestamp"}
        for key, kind in {**wanted, **self.source.tables[name].required}.items():
            if column_name(key) not in {column_name(column) for column in columns}:
                columns[key] = {"text": first, "integer": "'0'", "number": "'0'"}.get(kind, moment)
        known.take_away(keys, {**columns, DELETED_AT: moment})

    def _whole(self, name: str) -> None:
        """A table without a key: read as one file, again whenever anything in it differs."""
        table, known = self.tables[name]
        path = known.folder / "rows.parquet"
        fingerprint = table.fingerprint()
        there = {(Path(e.file).name, e.bytes, e.modified_ns) for e in self.loaded if e.table_name == name}
        if path.exists():
            there.add((path.name, path.stat().st_size, path.stat().st_mtime_ns))
        file = (path.name, known.progress.get("bytes"), known.progress.get("modified_ns"))
        if fingerprint == known.progress.get("fingerprint") and file in there:
            return
        draft = known.draft
        with pq.ParquetWriter(draft, pa.schema([(column, pa.string()) for column in table.columns])) as writer:
            for page in table.rows():
                writer.write_table(page)
                known.rows += page.num_rows
        with draft.open("rb+") as stream:
            os.fsync(stream.fileno())
        state = draft.stat()
        draft.rename(path)
        sync(known.folder)
        known.bytes += state.st_size
        known.put(fingerprint=fingerprint, bytes=state.st_size, modified_ns=state.st_mtime_ns)

    def _follow_log(self) -> None:
        from orchestration.extract.silos.log import follow

        follow(self)

    def snapshot(self, names: Iterable[str]) -> None:
        """Bring tables to where the database is now, whatever was known of them."""
        for name in names:
            self._guarded(name, self._snapshot, name)

    def _snapshot(self, name: str) -> None:
        table, known = self.tables[name]
        if known.size():
            self.compare(name)
        else:
            self._take(known, table.rows(order=table.keys))
            known.put(compared=time.time())


def before(moment: Any, overlap: float) -> Any:
    """So much before a cursor: seconds of a time, a day of a date, units of a number; a text is taken as it is."""
    if isinstance(moment, datetime):
        return moment - timedelta(seconds=overlap)
    if isinstance(moment, date):
        return moment - timedelta(days=max(1, overlap // 86_400))
    if isinstance(moment, Decimal):
        return moment - Decimal(overlap)
    return moment - type(moment)(overlap) if isinstance(moment, int | float) else moment


def comparable(moment: Any) -> Any:
    """A time that can be compared with any other: one without a zone is taken as UTC."""
    if isinstance(moment, datetime) and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


def together(pages: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Pages put together to what makes a file, at most `_FILE_ROWS` or about `_FILE_BYTES`."""
    waiting: list[pa.Table] = []
    for page in pages:
        waiting.append(page)
        if sum(one.num_rows for one in waiting) >= _FILE_ROWS or sum(one.nbytes for one in waiting) >= _FILE_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _is_passing(error: BaseException) -> bool:
    """Whether another try may help: the connection broke, or a transaction was in the way."""
    if not isinstance(error, DBAPIError):
        return False
    code = code_of(error)
    lost = {"2006", "2013", "2014", "1205", "1213"}
    return error.connection_invalidated or code[:2] in ("08", "40", "57") or code in lost
