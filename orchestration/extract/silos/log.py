"""Changes from PostgreSQL's log, where logical decoding is switched on (wal_level = logical).

A replication slot keeps what was committed since the last run. The log tells which rows changed; what they are now is
read from the table, so that no value is ever decoded and what is read twice is written once. The slot is moved on after
the arrivals of its changes are on disk: a killed process finds them there again. The first run, and any after which the
slot is not where it was left, compares all keys.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orchestration.extract.target import ExtractError

if TYPE_CHECKING:
    from orchestration.extract.silos.feed import Feed

# changes of the log in one step; a transaction is never cut
_CHANGES = 20_000
_BOOL = 16
Key = tuple[str, ...]
Column = tuple[str, int]


def follow(feed: Feed) -> None:
    """Bring the arrivals of all tables to where the log ends. Raises `ExtractError` where there is no such log."""
    require(feed)
    keyed = [name for name, (table, _) in feed.tables.items() if table.keys]
    try:
        _Log(feed, keyed).follow()
    except SQLAlchemyError as error:
        raise ExtractError(f"{feed.source.name}, the log: {feed.database.explain(error)}") from None
    for name in feed.tables:
        if name not in keyed:
            feed.fetch_table(name)


def require(feed: Feed) -> None:
    """Raise `ExtractError` where there is no log to follow, or this user may not follow it."""
    variable = f"KINSHIP_{feed.source.name.upper()}_CDC"
    if not feed.database.is_postgres:
        raise ExtractError(f"{variable} follows the log of PostgreSQL only: unset it")
    with feed.database.engine.connect() as connection:
        level, is_allowed = connection.execute(
            sa.text(
                "select current_setting('wal_level'), rolreplication or rolsuper from pg_roles"
                " where rolname = current_user"
            )
        ).one()
    if level != "logical":
        raise ExtractError(
            f"{feed.source.name}: the server keeps no logical log: set wal_level = logical there and start it anew, or"
            f" unset {variable}"
        )
    if not is_allowed:
        raise ExtractError(
            f"{feed.source.name}: this user may not follow the log: `alter role ... with replication`, or unset"
            f" {variable}"
        )


class _Log:
    def __init__(self, feed: Feed, names: list[str]) -> None:
        self.feed = feed
        self.names = names
        self.slot = re.sub(r"[^a-z0-9_]", "_", f"kinship_{feed.source.name}".lower())
        self.connection = feed.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.books = feed.connection
        self.books.execute("create table if not exists log (slot varchar primary key, reached varchar)")

    def follow(self) -> None:
        with self.connection:
            before = self._reached()
            if self._prepare(before):
                self._doubt(self.names)
            # those, a table that is new, and one that could not be read whole when the slot was
            self.feed.snapshot([name for name in self.names if self._known(name).progress.get("compared") is None])
            end = self._ask("select pg_current_wal_lsn()::text")
            while changes := list(self._peek(end)):
                self._apply(changes)
            if not self.feed.fetched.failures:
                self._advance(end)
            for name in self.names:
                self.feed.fetched.cursors[name] = (before, self._reached())

    def _prepare(self, before: str | None) -> bool:
        """Make the publication and the slot where there are none. Returns whether the slot may lack changes."""
        tables = [self.feed.tables[name][0].table for name in self.names]
        quoted = [self.connection.dialect.identifier_preparer.format_table(table) for table in tables]
        if not self._ask("select 1 from pg_publication where pubname = :name", name=self.slot):
            self._ask(f"create publication {self.slot} for table {', '.join(quoted)}")
        missing = [
            name
            for name, table in zip(quoted, tables, strict=True)
            if not self._ask(
                "select 1 from pg_publication_tables where pubname = :name and tablename = :table",
                name=self.slot, table=table.name,
            )
        ]  # fmt: skip
        if missing:
            self._doubt([name for name, table in zip(self.names, quoted, strict=True) if table in missing])
            self._ask(f"alter publication {self.slot} add table {', '.join(missing)}")
        found = self.connection.execute(
            sa.text("select confirmed_flush_lsn::text, wal_status from pg_replication_slots where slot_name = :name"),
            {"name": self.slot},
        ).first()
        if found and found[1] == "lost":
            self._ask("select pg_drop_replication_slot(:name)", name=self.slot)
            self.feed.fetched.notes.append("the server gave up the slot before its changes were read: all is compared")
            found = None
        if not found:
            self._ask("select lsn::text from pg_create_logical_replication_slot(:name, 'pgoutput')", name=self.slot)
            self._keep("new")  # until everything has been compared
            return True
        return before in (None, "new") or self._is_beyond(found[0], str(before))

    def _doubt(self, names: Sequence[str]) -> None:
        """Let tables be compared, in the next runs, too, until that has been done: other changes move the slot on."""
        for name in names:
            self._known(name).put(compared=None)

    def _is_beyond(self, there: str | None, here: str) -> bool:
        """Whether somebody else moved the slot on, so that we never saw what lies between."""
        return not self._ask("select cast(:a as pg_lsn) <= cast(:b as pg_lsn)", a=there, b=here)

    def _apply(self, changes: list[tuple[str, bytes]]) -> None:
        """Read what changed rows are now, then move the slot on."""
        touched, emptied = self._touched(data for _, data in changes)
        for name, keys in touched.items():
            table, known = self.feed.tables[name]
            found: set[Key] = set()
            present = self.feed.database.present()
            for page in table.rows_of(keys):
                found.update(zip(*(page[column].to_pylist() for column in table.keys), strict=True))
                known.take(page)
            if gone := sorted(keys - found):
                columns = zip(*gone, strict=True)
                self.feed.bury(name, pa.table(dict(zip(table.keys, map(list, columns), strict=True))), present)
        for name in emptied:
            self.feed.compare(name, expects_much=True)
        self._advance(self._end_of(changes))

    def _touched(self, messages: Iterator[bytes]) -> tuple[dict[str, set[Key]], set[str]]:
        """The keys that were inserted, changed or deleted, by table; and the tables that were emptied."""
        by_place = {}
        for ours in self.names:
            table = self.feed.tables[ours][0].table
            schema = table.schema or self._ask("select current_schema()")
            by_place[schema, table.name] = ours
        relations: dict[int, tuple[str | None, list[Column]]] = {}
        touched: dict[str, set[Key]] = {}
        emptied: set[str] = set()
        name: str | None
        for data in messages:
            kind, rest = data[:1], _Bytes(data[1:])
            if kind == b"R":
                number = rest.integer("I")
                place = (rest.text(), rest.text())
                rest.integer("B")
                columns = [rest.column() for _ in range(rest.integer("H"))]
                relations[number] = (by_place.get(place), columns)
            elif kind in b"IUD":
                name, columns = relations[rest.integer("I")]
                if name:
                    touched.setdefault(name, set()).update(self._keys(name, columns, rest))
            elif kind == b"T":
                count = rest.integer("I")
                rest.integer("B")
                emptied |= {name for name, _ in (relations[rest.integer("I")] for _ in range(count)) if name}
        return touched, emptied

    def _keys(self, name: str, columns: list[Column], rest: _Bytes) -> Iterator[Key]:
        """The keys of the rows in one message: an update that changes the key has the old one, too."""
        wanted = self.feed.tables[name][0].keys
        while rest:
            rest.take(1)  # N, O or K: the new row, the old one, or its key
            values = dict(rest.row(columns))
            key = tuple(values[column] for column in wanted)
            if None not in key:
                yield tuple(str(part) for part in key)

    def _peek(self, end: str) -> Iterator[tuple[str, bytes]]:
        query = sa.text(
            "select lsn::text, data from pg_logical_slot_peek_binary_changes("
            "cast(:slot as name), cast(:end as pg_lsn), :changes, "
            "'proto_version', '1', 'publication_names', cast(:publication as text))"
        )
        values = {"slot": self.slot, "end": end, "changes": _CHANGES, "publication": self.slot}
        rows: Any = self.connection.execute(query, values)
        for lsn, data in rows:
            yield str(lsn), bytes(data)

    def _end_of(self, changes: list[tuple[str, bytes]]) -> str:
        """Where the last transaction ends: its commit message says so."""
        for _, data in reversed(changes):
            if data[:1] == b"C":
                end = struct.unpack(">Q", data[10:18])[0]
                return f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
        raise ExtractError("the log ends within a transaction, which it never should")

    def _advance(self, end: str) -> None:
        self._keep(end)
        self._ask(
            "select end_lsn::text from pg_replication_slot_advance(:slot, cast(:end as pg_lsn))",
            slot=self.slot,
            end=end,
        )

    def _reached(self) -> str | None:
        found = self.books.execute("select reached from log where slot = ?", [self.slot]).fetchone()
        return str(found[0]) if found else None

    def _keep(self, reached: str) -> None:
        self.books.execute("insert or replace into log values (?, ?)", [self.slot, reached])

    def _known(self, name: str) -> Any:
        return self.feed.tables[name][1]

    def _ask(self, statement: str, **values: Any) -> Any:
        result = self.connection.execute(sa.text(statement), values)
        row = result.first() if result.returns_rows else None
        return row[0] if row else None


class _Bytes:
    """A message of the protocol `pgoutput`, read from its beginning (PostgreSQL's documentation, chapter 55.9)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def __bool__(self) -> bool:
        return self.position < len(self.data)

    def take(self, count: int) -> bytes:
        self.position += count
        return self.data[self.position - count : self.position]

    def integer(self, kind: str) -> int:
        return int(struct.unpack(f">{kind}", self.take(struct.calcsize(f">{kind}")))[0])

    def text(self) -> str:
        end = self.data.index(b"\0", self.position)
        return self.take(end + 1 - self.position)[:-1].decode()

    def column(self) -> Column:
        """Name and type of a column."""
        self.integer("B")
        name, type_ = self.text(), self.integer("I")
        self.integer("i")
        return name, type_

    def row(self, columns: Sequence[Column]) -> Iterator[tuple[str, str | None]]:
        """The values of a row as text; None for NULL and for what did not change and is kept apart."""
        self.integer("H")
        for name, type_ in columns:
            if self.take(1) != b"t":
                yield name, None
                continue
            value = self.take(self.integer("I")).decode()
            yield name, {"t": "true", "f": "false"}[value] if type_ == _BOOL else value
