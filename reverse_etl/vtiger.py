"""What the two editions of Vtiger have in common: modules, fields, queries, records one by one.

There is no upsert and no bulk write; two contacts with one e-mail are accepted without a word, so a record is never
created without a look-up; a deleted record answers ACCESS_DENIED; `query` gives 100 rows at most and must end in `;`.
Every value is text, a checkbox `0` or `1`. Answers are `{"success": true, "result"}` or `{"success": false, "error"}`.

A removal deletes a record that the sync created; a record that was there before stays, and only our custom fields are
emptied.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, OptOut, Outcome, Row, Target
from reverse_etl.errors import ConfigurationError, Rejected, Retryable
from reverse_etl.limits import Limits, Names, Options

PAGE = 100
"""The most rows that a query gives."""
_GONE = frozenset({"ACCESS_DENIED", "RECORD_NOT_FOUND"})
_QUERY_BYTES = 4000
"""A query travels in the URL, and web servers refuse URLs beyond 8 KB."""
_OPT_OUTS = {"emailoptout": "email", "donotcall": "phone"}
"""Fields by which somebody says no, and to which channel."""


class VtigerOptions(Options):
    """`assigned_user_id` owns created records (default: who logs in). `clear_fields`: comma separated names of what a
    removal empties on records that we did not create; default: the sync's custom fields (`cf_...`)."""

    assigned_user_id: str | None = Field(default=None, pattern=r"^\d+x\d+$")
    clear_fields: Names | None = None
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)


class Refused(Exception):
    """`success: false`: the code and the message of the server. The message may quote values: it is never shown."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Webservice(Protocol):
    """Either edition's protocol. Answers are the `result`; failures are Refused, or errors of `errors.py`."""

    async def get(self, operation: str, **parameters: str) -> Any: ...

    async def post(self, operation: str, **parameters: str) -> Any: ...

    async def user(self) -> str | None:
        """The id of the user who is logged in."""
        ...

    async def close(self) -> None: ...


class VtigerModule(Destination):
    """One module (Contacts, Leads, Accounts ...) behind either protocol."""

    tool: ClassVar[str]
    """Its name in messages."""
    options_model = VtigerOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    # MySQL's collation compares without case
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target, service: Webservice) -> None:
        super().__init__(target)
        self._options: VtigerOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        self._client = service
        self._fields: dict[str, dict[str, Any]] = {}

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return Limits(rows=PAGE)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        if kind == "BOOLEAN":
            return f"case when {column} then '1' when not {column} then '0' end"
        if kind.startswith("TIMESTAMP"):
            utc = f"({column} at time zone 'UTC')" if kind == "TIMESTAMP WITH TIME ZONE" else column
            return f"strftime({utc}, '%Y-%m-%d %H:%M:%S')"
        if kind.endswith("[]"):
            # a multi-select picklist
            return f"array_to_string({column}, ' |##| ')"
        return f"{column}::varchar"

    async def check(self) -> CheckResult:
        try:
            types = (await self._client.get("listtypes"))["types"]
        except Refused as refused:
            raise ConfigurationError(f"{self.tool} does not list its modules ({refused.code})") from None
        module = self.target.object
        if module and module not in types:
            raise ConfigurationError(
                f"{self.tool} has no module {module!r} for this user; it has {', '.join(sorted(types))}"
            )
        if module:
            await self.prepare()
        return CheckResult(self.tool, "ok", f"logged in; {len(types)} modules", {"modules": str(len(types))})

    async def prepare(self) -> None:
        module = self.target.object
        fields = await self._describe()
        editable = sorted(name for name, field in fields.items() if field["editable"])
        for name in (*self.target.fields, *self._cleared()):
            if name not in editable:
                state = "is read-only in" if name in fields else "is not a field of"
                raise ConfigurationError(
                    f"{self.target.sync}: the column {name!r} {state} {self.tool}'s {module}; "
                    f"it takes {', '.join(editable)}"
                )
        if self.target.mode == "update" or not self.target.fields:
            return
        given = {*self.target.fields, "assigned_user_id"}
        # a default fills the gap, and a checkbox is never empty
        missing = [
            name
            for name, field in fields.items()
            if field["mandatory"] and field["editable"] and name not in given and not field.get("default")
        ]
        if missing:
            raise ConfigurationError(
                f"{self.target.sync}: {self.tool}'s {module} must have {', '.join(missing)}; "
                "select it in the sync model"
            )

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for query in _queries(self.target.object, self.target.key, keys, f"id,{self.target.key}"):
            async for record in self._pages(query):
                # the collation also takes é for e; we do not
                key = str(record[self.target.key] or "").strip(" ").lower()
                found.setdefault(key, []).append(record["id"])
        return found

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        module, key = self.target.object, self.target.key
        keys = {row.key for row in rows}
        columns = ",".join(dict.fromkeys(["id", key, *self.target.fields]))
        for query in _queries(module, key, [row.key for row in rows], columns):
            async for record in self._pages(query):
                held = str(record[key] or "").strip(" ").lower()
                if held in keys:
                    fields = {name: record.get(name) or None for name in self.target.fields}
                    yield Found(held, record["id"], fields)

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        module, key = self.target.object, self.target.key
        fields = await self._describe()
        for field, channel in _OPT_OUTS.items():
            if field not in fields or key not in fields:
                continue
            when = "" if since is None else f" and modifiedtime >= '{since:%Y-%m-%d %H:%M:%S}'"
            query = (
                f"select id,{key},modifiedtime from {module} "  # noqa: S608 - names that it described
                f"where {field} = '1'{when} order by id"
            )
            async for record in self._pages(query):
                if record[key]:
                    # without a zone: as the database has it, in UTC unless the server's configuration says otherwise
                    at = datetime.strptime(record["modifiedtime"], "%Y-%m-%d %H:%M:%S")
                    yield OptOut(str(record[key]).strip(" "), channel, at)

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row, values in batch.records():
            try:
                yield await (self._revise(row, values) if row.destination_id else self._create(row, values))
            except Refused as refused:
                yield outcome(row, refused)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        fields = await self._describe()
        cleared = {name: "0" if fields[name]["type"]["name"] == "boolean" else "" for name in self._cleared()}
        for row in batch.rows:
            record = row.destination_id or ""  # the engine looked it up
            try:
                if row.created_by_us:
                    await self._client.post("delete", id=record)
                elif cleared:
                    await self._client.post("revise", element=json.dumps({"id": record, **cleared}))
                yield Outcome(row.key, "accepted")
            except Refused as refused:
                yield outcome(row, refused)

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            try:
                await self._client.post("delete", id=row.destination_id or "")
                yield Outcome(row.key, "accepted")
            except Refused as refused:
                yield outcome(row, refused)

    async def close(self) -> None:
        await self._client.close()

    async def _create(self, row: Row, values: Mapping[str, str | None]) -> Outcome:
        element = {name: value for name, value in values.items() if value is not None}
        if "assigned_user_id" not in element:
            owner = self._options.assigned_user_id or await self._client.user()
            element |= {"assigned_user_id": owner} if owner else {}
        answer = await self._client.post("create", elementType=self.target.object, element=json.dumps(element))
        return self._accepted(row, answer)

    async def _revise(self, row: Row, values: Mapping[str, str | None]) -> Outcome:
        # the key matched already; sending it again would undo a correction that somebody made in the CRM
        sent = {name: value for name, value in values.items() if name != self.target.key or row.moved_from is not None}
        if self.target.on_null == "clear":
            element: dict[str, str] = {name: "" if value is None else value for name, value in sent.items()}
        else:
            element = {name: value for name, value in sent.items() if value is not None}
        if not element:
            return Outcome(row.key, "accepted", destination_id=row.destination_id)
        answer = await self._client.post("revise", element=json.dumps({**element, "id": row.destination_id}))
        return self._accepted(row, answer)

    def _accepted(self, row: Row, answer: Any) -> Outcome:
        if not isinstance(answer, dict) or not answer.get("id"):
            raise Retryable("no_record", f"{self.tool} said yes without giving the record")
        return Outcome(row.key, "accepted", destination_id=answer["id"])

    def _cleared(self) -> tuple[str, ...]:
        if self._options.clear_fields is not None:
            return self._options.clear_fields
        return tuple(name for name in self.target.fields if name.startswith("cf_"))

    async def _describe(self) -> dict[str, dict[str, Any]]:
        """The module's fields by name, asked once."""
        if not self._fields:
            module = self.target.object
            try:
                description = await self._client.get("describe", elementType=module)
            except Refused as refused:
                told = f"{self.tool} does not describe the module {module!r} ({refused.code})"
                raise ConfigurationError(told) from None
            self._fields = {field["name"]: field for field in description["fields"]}
        return self._fields

    async def _pages(self, query: str) -> AsyncIterator[dict[str, Any]]:
        """The records of a query without limit and semicolon."""
        offset = 0
        while True:
            try:
                rows = await self._client.get("query", query=f"{query} limit {offset},{PAGE};")
            except Refused as refused:
                raise Rejected(f"query_{refused.code.lower()}") from None
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            offset += PAGE


def outcome(row: Row, refused: Refused) -> Outcome:
    if refused.code in _GONE and row.destination_id is not None:
        return Outcome(row.key, "gone", error_class=refused.code.lower())
    duplicate = "duplicate" in refused.message.lower()
    code = "duplicate" if duplicate else re.sub(r"\W+", "_", refused.code).lower() or "refused"
    return Outcome(row.key, "rejected", error_class=code)


def _queries(module: str, field: str, keys: Sequence[str], columns: str) -> Iterator[str]:
    """`select` statements, without limit and semicolon, that find all records with one of the keys."""
    part: list[str] = []
    size = 0
    for key in keys:
        value = _literal(key)
        length = len(quote(value)) + 3
        if part and (size + length > _QUERY_BYTES or len(part) == PAGE):
            yield _query(module, field, part, columns)
            part, size = [], 0
        part.append(value)
        size += length
    if part:
        yield _query(module, field, part, columns)


def _query(module: str, field: str, values: Sequence[str], columns: str) -> str:
    wanted = ",".join(values)
    return f"select {columns} from {module} where {field} in ({wanted}) order by id"  # noqa: S608 - quoted above


def _literal(value: str) -> str:
    """A string of Vtiger's query language: quotes are doubled.

    The lexer takes a backslash as it is and hands the text to MySQL, where it escapes what follows: it cannot be
    written safely.
    """
    if "\\" in value or any(ord(character) < 32 for character in value):
        raise Rejected("unsafe_key", "a key with a backslash or a control character cannot be looked up in vtiger")
    return "'" + value.replace("'", "''") + "'"
