"""A table of PostgreSQL (12 or later).

A batch is one transaction: COPY into a temporary table of the target's own types, then UPDATE of the rows that are
there and INSERT ... ON CONFLICT of those that are not, or DELETE. What the server refuses (a type, a constraint, a
trigger) refuses the batch, the engine bisects it, and the row that is to blame is left. Values longer than a column are
refused, never cut.

A row is known by its key; before new keys are written they are looked up, so that a removal deletes only rows that the
sync made. Of a row that was there before it empties `clear_fields`, by default nothing: a table does not say which
columns are ours alone.

Temporary tables are made and dropped within the transaction, and no statement is prepared: this also works through a
pool that gives each transaction another connection.
"""

import ctypes
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, ConfigurationError, Rejected, Retryable, SyncError
from reverse_etl.limits import Limits, Names, Options
from reverse_etl.rendering import for_json

_URL = "KINSHIP_POSTGRES_URL"
_BATCH = sql.Identifier("pg_temp", "kinship_batch")
_JSON = ("json", "jsonb")
_STRUCTURED = ("STRUCT", "MAP", "UNION", "JSON")
"""Kinds that are written as JSON; `read` leaves them out, as jsonb has an order and spelling of its own."""
_REFUSED = ("22", "23", "21", "44", "P0", "42804", "42846", "54")
"""SQLSTATE classes that speak about values: data, constraints, cardinality, check options, triggers, types, sizes."""
_TYPES = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "UTINYINT": "smallint", "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric", "HUGEINT": "numeric",
    "FLOAT": "real", "DOUBLE": "double precision", "DATE": "date", "TIME": "time", "UUID": "uuid", "BLOB": "bytea",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "INTERVAL": "interval",
}  # fmt: skip


class PostgresOptions(Options):
    """`clear_fields`: comma separated columns that a removal empties on rows that we did not make."""

    clear_fields: Names | None = None
    timeout_seconds: float = Field(default=60.0, gt=0)


@dataclass(frozen=True)
class _Column:
    type: str
    """As PostgreSQL writes it, with its length."""
    default: str | None
    is_required: bool
    is_ours_to_write: bool
    """False for generated columns and identities that are always made over there."""


class Postgres(Destination):
    """One table, `object`: `table` or `schema.table`, spelled as the catalog has it."""

    options_model = PostgresOptions
    cost = "records"
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (self._url,) = credentials("postgres", _URL)
        self._options: PostgresOptions = target.options
        self._clear = self._options.clear_fields or ()
        self._table = sql.Identifier(*target.object.split(".", 1))
        self._columns: dict[str, _Column] = {}
        self._open: psycopg.AsyncConnection[TupleRow] | None = None

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return Limits(rows=10_000)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        # the catalog, and a look-up before each batch of new keys
        return 1 + -(-adds // limits.rows) + super().estimate_calls(object, options, limits, adds, changes, removals)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        if kind == "BLOB":
            return f"'\\x' || lower(hex({column}))"
        if kind.startswith("DECIMAL") and not kind.endswith("[]"):
            return f"{column}::varchar"
        if kind.startswith(("STRUCT", "MAP", "UNION")):
            return f"to_json({column})::varchar"
        return for_json(column, kind)

    async def check(self) -> CheckResult:
        try:
            if self.target.object:
                await self.prepare()
            async with self._transaction() as connection:
                cursor = await connection.execute("select current_database(), current_setting('server_version')")
                database, version = await cursor.fetchone() or ("", "")
        except Retryable as error:
            return CheckResult("postgres", "failed", f"{error}: is {_URL} right, and the server up?")
        return CheckResult("postgres", "ok", f"connected to {database}", {"version": str(version)})

    async def prepare(self) -> None:
        async with self._transaction() as connection:
            self._columns = await self._describe(connection)
            where = f"{self.target.sync}: the table {self.target.object}"
            if not self._columns:
                raise ConfigurationError(
                    f"{where} is not there for this user; if it should be, make it: {self._definition()}"
                )
            known = ", ".join(name for name, column in self._columns.items() if column.is_ours_to_write)
            for name in (*self.target.fields, *self._clear):
                if name not in self._columns:
                    raise ConfigurationError(f"{where} has no column {name!r}; it has {known}")
                if not self._columns[name].is_ours_to_write:
                    raise ConfigurationError(f"{where} makes the column {name!r} itself; it takes {known}")
            for name in self._clear:
                if self._columns[name].is_required or name == self.target.key:
                    raise ConfigurationError(f"{where} cannot have {name!r} empty: take it out of clear_fields")
            if not self.target.fields:
                return
            if missing := await self._missing_rights(connection):
                raise ConfigurationError(f"{where} does not give this user the right to {', '.join(missing)}")
            if not await self._is_unique(connection):
                raise ConfigurationError(
                    f"{where} needs a unique constraint on {self.target.key!r} alone (not partial, not deferrable), "
                    f"or rows would be doubled: {self._constraint()}"
                )
            if self.target.mode == "update":
                return
            gaps = [
                name
                for name, column in self._columns.items()
                if column.is_required and column.default is None and column.is_ours_to_write
                and name not in self.target.fields
            ]  # fmt: skip
            if gaps:
                raise ConfigurationError(f"{where} must have {', '.join(gaps)}; select it in the sync model")

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        async with self._transaction() as connection:
            cursor = await connection.execute(
                sql.SQL(
                    "select asked.key, t.{key}::text from unnest(%s::text[]) as asked (key)"
                    " join {table} as t on t.{key} = asked.key::{type}"
                ).format(table=self._table, key=sql.Identifier(self.target.key), type=self._type(self.target.key)),
                [list(keys)],
            )
            for key, identity in await cursor.fetchall():
                found.setdefault(key, []).append(identity)
        return found

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        fields = self.target.fields
        async with self._transaction() as connection:
            await self._load(connection, fields, self._lines(batch))
            written = await self._update(connection)
            written |= await self._insert(connection)
        for number, row in enumerate(batch.rows):
            if number in written:
                yield Outcome(row.key, "accepted", destination_id=written[number])
            elif row.destination_id is not None:
                yield Outcome(row.key, "gone")
            else:
                # somebody was faster, and in this mode what is there is left alone
                yield Outcome(row.key, "rejected", error_class="already_exists")

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        async with self._transaction() as connection:
            made = [row for row in batch.rows if row.created_by_us]
            found = [row for row in batch.rows if not row.created_by_us]
            await self._load(connection, (), _identities(made))
            await connection.execute(self._matching("delete from {table} as t using {batch} as b"))
            if found and self._clear:
                await self._load(connection, (), _identities(found))
                empty = sql.SQL(", ").join(sql.SQL("{} = null").format(sql.Identifier(name)) for name in self._clear)
                await connection.execute(self._matching("update {table} as t set {empty} from {batch} as b", empty))
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        async with self._transaction() as connection:
            await self._load(connection, (), _identities(batch.rows))
            await connection.execute(self._matching("delete from {table} as t using {batch} as b"))
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        asked = {row.destination_id or row.key: row.key for row in rows}
        if not self._columns:
            await self.prepare()
        fields = sql.SQL(", ").join(self._shown(name) for name in self.target.fields)
        async with self._transaction() as connection:
            cursor = await connection.execute(
                sql.SQL("select t.{key}::text, {fields} from {table} as t where t.{key} = any(%s::text[]::{type}[])")
                .format(
                    key=sql.Identifier(self.target.key), fields=fields, table=self._table,
                    type=self._type(self.target.key),
                ),
                [list(asked)],
            )  # fmt: skip
            found = await cursor.fetchall()
        for identity, *values in found:
            told = {
                name: _as_rendered(value, self.target.kinds[name])
                for name, value in zip(self.target.fields, values, strict=True)
                if not self.target.kinds[name].startswith(_STRUCTURED)
            }
            yield Found(asked.get(identity, identity), identity, told)

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """One transaction, counted as one call; failures become the errors that say what to do next."""
        await self.target.meter.call()
        try:
            if self._open is None or self._open.closed:
                self._open = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, prepare_threshold=None, connect_timeout=10,
                    application_name="kinship", client_encoding="UTF8",
                )  # fmt: skip
        except psycopg.Error as error:
            raise _unreachable(error) from None
        try:
            async with self._open.transaction():
                milliseconds = str(int(self._options.timeout_seconds * 1000))
                await self._open.execute("select set_config('statement_timeout', %s, true)", [milliseconds])
                yield self._open
        except SyncError:
            raise
        except psycopg.Error as error:
            raise _failure(error) from None

    async def _describe(self, connection: psycopg.AsyncConnection[TupleRow]) -> dict[str, _Column]:
        cursor = await connection.execute(
            """select
                a.attname, format_type(a.atttypid, a.atttypmod),
                case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
                a.attnotnull, a.attgenerated = '' and a.attidentity <> 'a',
                a.attidentity <> ''
            from pg_attribute as a
            left join pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum
            where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
            order by a.attnum""",
            [self._table.as_string(connection)],
        )
        return {
            # an identity fills itself, without a default that could be read
            name: _Column(kind, default, required and not identity, writable)
            for name, kind, default, required, writable, identity in await cursor.fetchall()
        }

    async def _missing_rights(self, connection: psycopg.AsyncConnection[TupleRow]) -> list[str]:
        needed = ["select", "update"] + ["insert"] * (self.target.mode != "update")
        cursor = await connection.execute(
            "select r from unnest(%s::text[]) as r where not has_table_privilege(to_regclass(%s), r)",
            [needed, self._table.as_string(connection)],
        )
        return [right for (right,) in await cursor.fetchall()]

    async def _is_unique(self, connection: psycopg.AsyncConnection[TupleRow]) -> bool:
        cursor = await connection.execute(
            """select exists (
                select from pg_index as i
                join pg_attribute as a on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
                where i.indrelid = to_regclass(%s) and a.attname = %s and i.indnkeyatts = 1
                    and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
            )""",
            [self._table.as_string(connection), self.target.key],
        )
        (unique,) = await cursor.fetchone() or (False,)
        return bool(unique)

    async def _load(
        self, connection: psycopg.AsyncConnection[TupleRow], fields: Sequence[str], lines: Iterable[Sequence[Any]]
    ) -> None:
        """Fill a new temporary table: the row's number, the key it is known by (NULL: it is new), the fields."""
        names = [sql.Identifier(name) for name in fields]
        await connection.execute(sql.SQL("drop table if exists {}").format(_BATCH))
        await connection.execute(
            sql.SQL(
                "create temp table kinship_batch on commit drop as"
                " select 0 as _number, {key} as _identity {fields} from {table} limit 0"
            ).format(
                key=sql.Identifier(self.target.key), table=self._table,
                fields=sql.SQL("").join(sql.SQL(", {}").format(name) for name in names),
            )
        )  # fmt: skip
        async with connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} from stdin").format(_BATCH)) as copy:
            for line in lines:
                await copy.write_row(line)

    def _lines(self, batch: Batch) -> Iterable[Sequence[Any]]:
        if batch.table is None:
            return
        key, fields = self.target.key, self.target.fields
        columns = {name: batch.table[name].to_pylist() for name in fields}
        for name, values in columns.items():
            if self._columns[name].type in _JSON and self.target.kinds[name].endswith("[]"):
                columns[name] = [v if v is None or isinstance(v, str) else json.dumps(v, default=str) for v in values]
        if self.target.kinds[key] == "VARCHAR":
            # without the blanks around it, as the ledger has it
            columns[key] = [row.key for row in batch.rows]
        identities = [row.destination_id for row in batch.rows]
        yield from zip(range(len(identities)), identities, *columns.values(), strict=True)

    async def _update(self, connection: psycopg.AsyncConnection[TupleRow]) -> dict[int, str]:
        changes = sql.SQL(", ").join(
            sql.SQL("{column} = {value}").format(column=sql.Identifier(name), value=self._new(name, "t"))
            for name in self.target.fields
        )
        cursor = await connection.execute(
            self._matching("update {table} as t set {empty} from {batch} as b", changes)
            + sql.SQL(" returning b._number, t.{}::text").format(sql.Identifier(self.target.key))
        )
        return dict(await cursor.fetchall())

    async def _insert(self, connection: psycopg.AsyncConnection[TupleRow]) -> dict[int, str]:
        key = sql.Identifier(self.target.key)
        others = [name for name in self.target.fields if name != self.target.key]
        action: sql.Composable
        if self.target.mode == "create" or not others:
            action = sql.SQL("do nothing")
        else:
            action = sql.SQL("do update set {}").format(
                sql.SQL(", ").join(
                    sql.SQL("{column} = excluded.{column}").format(column=sql.Identifier(name)) for name in others
                )
            )
        cursor = await connection.execute(
            sql.SQL(
                "with made as (insert into {table} ({columns}) select {values} from {batch} as b"
                " where b._identity is null on conflict ({key}) {action} returning {key})"
                " select b._number, made.{key}::text from made join {batch} as b"
                " on made.{key} = b.{key} and b._identity is null"
            ).format(
                table=self._table, batch=_BATCH, key=key, action=action,
                columns=sql.SQL(", ").join(map(sql.Identifier, self.target.fields)),
                values=sql.SQL(", ").join(self._new(name, None) for name in self.target.fields),
            )
        )  # fmt: skip
        return dict(await cursor.fetchall())

    def _new(self, name: str, present: str | None) -> sql.Composable:
        """The value a column gets; NULL leaves what is there (`present`), or the default, unless it clears."""
        value = sql.Identifier("b", name)
        if self.target.on_null == "clear":
            return value
        if present is not None:
            return sql.SQL("coalesce({}, {})").format(value, sql.Identifier(present, name))
        default = self._columns[name].default
        # the default is an expression from the catalog, as its owner wrote it
        return value if default is None else sql.SQL("coalesce({}, {})").format(value, sql.SQL(default))

    def _matching(self, statement: str, empty: sql.Composable | None = None) -> sql.Composed:
        template = sql.SQL(statement + " where t.{key} = b._identity")
        return template.format(
            table=self._table, batch=_BATCH, key=sql.Identifier(self.target.key), empty=empty or sql.SQL("")
        )

    def _shown(self, name: str) -> sql.Composable:
        """A column as `render` writes it."""
        column, kind = sql.Identifier("t", name), self._columns[name].type
        if kind.startswith("timestamp"):
            utc = sql.SQL("{} at time zone 'UTC'").format(column) if "with time zone" in kind else column
            return sql.SQL('to_char({}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')').format(utc)
        if kind.endswith("[]") or kind in _JSON or kind in ("boolean", "smallint", "integer", "bigint"):
            return column
        if kind in ("real", "double precision"):
            return column
        return sql.SQL("{}::text").format(column)

    def _type(self, name: str) -> sql.Composable:
        return sql.SQL(self._columns[name].type)

    def _definition(self) -> str:
        columns = ", ".join(
            f"{_quoted(name)} {_type_for(kind)}{' primary key' if name == self.target.key else ''}"
            for name, kind in self.target.kinds.items()
        )
        return f"create table {self._table.as_string()} ({columns})"

    def _constraint(self) -> str:
        return f"alter table {self._table.as_string()} add unique ({_quoted(self.target.key)})"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _type_for(kind: str) -> str:
    """PostgreSQL's type for one of DuckDB's."""
    if kind.startswith(_STRUCTURED):
        return "jsonb"
    if kind.endswith("[]"):
        return f"{_type_for(kind[:-2])}[]"
    if kind.startswith("DECIMAL"):
        return kind.replace("DECIMAL", "numeric")
    return _TYPES.get(kind) or ("timestamp" if kind.startswith("TIMESTAMP") else "text")


def _identities(rows: Iterable[Row]) -> Iterable[Sequence[Any]]:
    return ((number, row.destination_id or row.key) for number, row in enumerate(rows))


def _as_rendered(value: Any, kind: str) -> Any:
    """What `render` makes of the same value, from what PostgreSQL shows."""
    if value is None:
        return None
    if kind.startswith("DECIMAL") and isinstance(value, str) and (scale := re.search(r",(\d+)\)", kind)):
        whole, _, part = value.partition(".")
        part = part.rstrip("0").ljust(int(scale[1]), "0")
        return f"{whole}.{part}" if part else whole
    if kind == "FLOAT":
        return ctypes.c_float(value).value
    if kind.endswith(("INT", "INTEGER")) and kind not in ("HUGEINT", "UHUGEINT") and isinstance(value, str):
        return int(value)
    return value


def _unreachable(error: psycopg.Error) -> SyncError:
    told = str(error)
    if re.search(r"authentication|pg_hba\.conf|role .* does not exist|no password supplied", told):
        return AuthenticationError(f"postgres refuses the login: check the user and the password in {_URL}")
    if re.search(r"database .* does not exist", told):
        return ConfigurationError(f"postgres has no database of this name: check {_URL}")
    if isinstance(error, psycopg.ProgrammingError):
        return ConfigurationError(f"{_URL} is no connection string (postgresql://user:password@host/database)")
    return Retryable("connection", "no connection to postgres")


def _failure(error: psycopg.Error) -> SyncError:
    state = error.sqlstate
    if state is None:
        # psycopg itself: a value it cannot write (a NUL character), or a connection that is gone
        return Rejected("bad_value") if isinstance(error, psycopg.DataError) else Retryable("connection")
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    if state == "42501":
        return ConfigurationError("postgres: this user has not the rights that the sync needs on the table")
    if state in ("42P01", "42703", "42P10"):
        return ConfigurationError(f"postgres: the table was altered under the sync ({name})")
    if state.startswith(_REFUSED):
        return Rejected(name)
    return Retryable(name)
