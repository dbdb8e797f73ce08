"""A database and its tables: read through dlt's SQL source, every value as the text that the database shows.

The casts are made by the database, in UTC: a number keeps its digits, a time its microseconds, JSON is JSON. Lists
come as JSON, bytes as hex digits. A hash of a row, worked out there or here, is the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from dlt.extract.exceptions import ResourceExtractionError
from dlt.sources.sql_database import sql_table
from sqlalchemy.dialects.mysql import BIT
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from orchestration.extract.silos.copying import CopyLoader
from orchestration.extract.target import ExtractError

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
CHUNK = 10_000
_UTC = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c bytea_output=hex"
NULL, BETWEEN = chr(30), chr(31)
_KEYS_AT_ONCE = 1000
_PLAIN = (sa.Integer, sa.Numeric, sa.String, sa.DateTime, sa.Date, sa.Time, sa.JSON, sa.Uuid)

# what a refusal means, by PostgreSQL's SQLSTATE or MySQL's number
_LOGIN = {"28P01", "28000", "1045", "1698"}
_NO_DATABASE = {"3D000", "1049"}
_NO_RIGHT = {"42501", "1142", "1143", "1044"}
_SAID = (("password authentication failed", "28P01"), ("no pg_hba.conf entry", "28000"), ("does not exist", "3D000"))


class Database:
    """A database at an address that the variable `variable` holds."""

    def __init__(self, url: str, variable: str) -> None:
        self.variable = variable
        self.calls = 0
        try:
            address = sa.make_url(url)
            self.is_postgres = DRIVERS[address.drivername].startswith("postgresql")
            if not address.host or not address.database:
                raise KeyError
        except (SQLAlchemyError, KeyError, ValueError):
            raise ExtractError(
                f"{variable} must be postgresql://user:password@host:port/database or mysql://..., with % before what"
                " is special in the password, in hexadecimal"
            ) from None
        arguments: dict[str, Any] = {"connect_timeout": 15}
        if self.is_postgres:
            arguments |= {"application_name": "kinship", "options": _UTC, "keepalives_idle": 30}
        else:
            # a value that is cut off must be an error, and "" is no NULL
            arguments |= {"init_command": "set time_zone = '+00:00'", "charset": "utf8mb4", "read_timeout": 600}
        self.engine = sa.create_engine(
            address.set(drivername=DRIVERS[address.drivername]), connect_args=arguments, hide_parameters=True
        )
        sa.event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.calls += 1

    def reach(self) -> None:
        """Log in, if we are not. Raises SQLAlchemyError."""
        with self.engine.connect():
            pass

    def present(self) -> datetime:
        """The time by the database's clock, in UTC. Ours may be wrong, or jump."""
        with self.engine.connect() as connection:
            now: datetime = connection.execute(sa.text("select current_timestamp(6)")).scalar_one()
        return now if now.tzinfo else now.replace(tzinfo=UTC)

    def table(self, name: str) -> Table:
        """A table or view, `name` or `schema.name`. Raises `LookupError` where there is none."""
        schema, _, table = name.rpartition(".")
        metadata = sa.MetaData(schema=schema or None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a type that SQLAlchemy does not know is text to us
                return Table(self, sa.Table(table, metadata, autoload_with=self.engine, resolve_fks=False))
        except NoSuchTableError:
            raise LookupError(f"there is no table {name} (or this user may not see it)") from None

    def explain(self, error: SQLAlchemyError) -> str:
        """What a failure means and what to do: never the database's own text, which may quote a person's data."""
        cause = getattr(error, "orig", None) or error
        code = code_of(error)
        for said, state in _SAID:
            if said in str(cause) and isinstance(error, sa.exc.OperationalError):
                code = state
        if code in _LOGIN:
            return f"the database refuses the login: check user and password in {self.variable}"
        if code in _NO_DATABASE:
            return f"the server has no database of that name: check {self.variable}"
        if code in _NO_RIGHT:
            return "this user may not read it: grant select on it"
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
            number = f", {code}" if code else ""
            kind = f"{type(cause).__name__}{number}"
            return f"no connection to the database ({kind}): check {self.variable}, and whether it is up"
        return f"the database refuses the query ({type(cause).__name__}, {code or 'no code'})"

    def close(self) -> None:
        self.engine.dispose()


class Table:
    """One table or view. `keys` are the columns of its primary key, maybe none."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self.database = database
        self.table = table
        self.columns = [column.name for column in table.columns]
        self.keys = [column.name for column in table.primary_key.columns]

    @cached_property
    def _texts(self) -> list[ColumnElement[Any]]:
        return [self._shown(column).label(column.name) for column in self.table.columns]

    def _shown(self, column: sa.Column[Any]) -> ColumnElement[Any]:
        """What COPY writes is the text already, but for a few types: 2.8 s, not 3.7, for 100,000 rows."""
        is_plain = isinstance(column.type, _PLAIN) and not isinstance(column.type, sa.CHAR)
        return column if self.database.is_postgres and is_plain else self._text(column)

    def _text(self, column: sa.Column[Any]) -> ColumnElement[Any]:
        if self.database.is_postgres:
            if isinstance(column.type, sa.ARRAY):
                return sa.cast(sa.func.to_json(column), sa.Text)
            if isinstance(column.type, sa.LargeBinary):
                return sa.func.encode(column, sa.literal_column("'hex'"))
            return sa.cast(column, sa.Text)
        if isinstance(column.type, sa.types._Binary):
            return sa.func.lower(sa.func.hex(column))
        if isinstance(column.type, BIT):
            return sa.cast(sa.type_coerce(column, sa.BigInteger) + 0, sa.CHAR)
        return sa.cast(column, sa.CHAR)

    def rows(self, where: ColumnElement[bool] | None = None, order: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Rows as text, in pages: those of one snapshot, in the order of some columns."""
        query = sa.select(*self._texts).order_by(*(self.table.c[name] for name in order))
        yield from self._pages(query if where is None else query.where(where))

    def rows_of(self, keys: Collection[tuple[str, ...]]) -> Iterator[pa.Table]:
        """The rows that have these keys now; a key that is gone gives none."""
        columns = [self.table.c[name] for name in self.keys]
        wanted = list(keys)
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            some = [
                tuple(value(column, text) for column, text in zip(columns, key, strict=True))
                for key in wanted[start : start + _KEYS_AT_ONCE]
            ]
            if len(columns) == 1:
                yield from self.rows(columns[0].in_([key for (key,) in some]))
            else:
                yield from self.rows(sa.tuple_(*columns).in_(some))

    def digests(self) -> Iterator[pa.Table]:
        """The key of every row, as text, and `_hash` of the row."""
        chosen = [text for text in self._texts if text.name in self.keys]
        yield from self._pages(sa.select(*chosen, self._hash.label("_hash")))

    @property
    def _hash(self) -> ColumnElement[Any]:
        texts = [sa.func.coalesce(self._text(column), sa.literal(NULL)) for column in self.table.columns]
        if self.database.is_postgres:
            # not concat_ws, which takes a hundred arguments at most
            whole: ColumnElement[Any] = texts[0]
            for text in texts[1:]:
                whole = whole.concat(BETWEEN).concat(text)
            return sa.func.md5(sa.func.convert_to(whole, "UTF8"))
        return sa.func.md5(sa.func.concat_ws(BETWEEN, *texts))

    def peep(self) -> None:
        """Read a row, to see whether we may. Raises SQLAlchemyError."""
        with self.database.engine.connect() as connection:
            connection.execute(sa.select(*self._texts).limit(1)).all()

    def fingerprint(self) -> str:
        """What changes whenever the rows do, whatever their order: their number, and a sum of their hashes."""
        halves = [sa.func.substr(self._hash, start, 8) for start in (1, 9)]
        if self.database.is_postgres:
            bits = [sa.cast(sa.func.concat("x", half), sa.Text).op("::")(sa.text("bit(32)")) for half in halves]
            numbers: list[ColumnElement[Any]] = [sa.cast(one, sa.BigInteger) for one in bits]
        else:
            numbers = [sa.cast(sa.func.conv(half, 16, 10), sa.DECIMAL(20, 0)) for half in halves]
        query = sa.select(sa.func.count(), *(sa.func.coalesce(sa.func.sum(number), 0) for number in numbers))
        with self.database.engine.connect() as connection:
            return ":".join(str(part) for part in connection.execute(query.select_from(self.table)).one())

    def _pages(self, query: sa.Select[Any]) -> Iterator[pa.Table]:
        resource = sql_table(
            self.database.engine,
            self.table.name,
            metadata=self.table.metadata,
            backend="pyarrow",
            chunk_size=CHUNK,
            type_adapter_callback=lambda _: sa.Text(),
            query_adapter_callback=lambda _, __: query,
            table_loader_class=CopyLoader if self.database.is_postgres else None,
        )
        pages = iter(resource)
        while (page := _following(pages)) is not None:
            yield page.cast(pa.schema([(name, pa.string()) for name in page.column_names]))


def code_of(error: SQLAlchemyError) -> str:
    """MySQL's number of an error, or PostgreSQL's SQLSTATE; empty where it has none."""
    cause = getattr(error, "orig", None)
    first = cause.args[0] if cause is not None and cause.args else None
    return str(first if isinstance(first, int) else getattr(cause, "sqlstate", None) or "")


def _following(pages: Iterator[Any]) -> Any:
    """The next page. Raises what the database raised, not what dlt makes of it, which quotes it."""
    try:
        return next(pages, None)
    except ResourceExtractionError as error:
        if isinstance(error.__cause__, SQLAlchemyError):
            raise error.__cause__ from None
        raise


def value(column: sa.Column[Any], text: str) -> Any:
    """A value of the column's type for a condition, so that the database can use its index."""
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return text
    if kind in (int, bool):
        return int(text) if text not in ("true", "false") else text == "true"
    if hasattr(kind, "fromisoformat"):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            return text
    if kind is bytes:
        return bytes.fromhex(text)
    return text if kind is str else kind(text)
