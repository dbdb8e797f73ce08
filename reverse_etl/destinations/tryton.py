"""Tryton 8 through its JSON-RPC: parties, and the addresses of a mailing list.

What shapes this file, from trytond 8.2 and its modules `party` and `marketing_email`: calls are
`POST <url>/rpc/ {id, method, params}`, with the header `Authorization: Session` of `common.db.login`; an ended session
answers 401, a failed call HTTP 200 with `error`, whose text may quote values. `create` and `write` take many records in
one transaction: all or none, so that a refused batch is bisected. There is no upsert and no unique contact, so a party
is looked up by its contact before it is made. `email`, `phone` ... of a party are contact mechanisms: setting one that
is there already is refused, it has to be written where it lies. Segments are categories below one parent; whoever has
no right to delete a party that is in use archives it (`active`).
"""

import base64
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, Operation, OptOut, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Rejected, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_json

_CONTACTS = ("email", "phone", "mobile", "fax", "website")
_CATEGORIES = "categories"


class TrytonOptions(Options):
    """`category`: the parent of the categories that we own. `list_name`: the mailing list, for `marketing.email`."""

    category: str = Field(default="Kinship", min_length=1)
    list_name: str | None = None
    timeout_seconds: float = Field(default=60.0, gt=0)


class _Refused(Exception):
    """The call was refused for what it says; nothing of it took effect."""

    def __init__(self, error_class: str) -> None:
        super().__init__(error_class)
        self.error_class = error_class


class Client:
    """The protocol: log in when needed, one call at a time, results or typed errors."""

    def __init__(self, http: Http, user: str, password: str) -> None:
        self._http, self._user, self._password = http, user, password
        self._session: str | None = None
        self._number = 0

    async def call(self, model: str, method: str, *arguments: Any, context: Mapping[str, Any] | None = None) -> Any:
        """`model.<model>.<method>(*arguments, context)`. Raises _Refused."""
        for attempt in range(2):
            if self._session is None:
                await self._login()
            response = await self._post(f"model.{model}.{method}", [*arguments, dict(context or {})])
            if response.status_code == 401 and attempt == 0:
                self._session = None
                continue
            return self._result(response)
        raise Retryable("session_ended")

    async def wizard(self, name: str, state: str, data: Mapping[str, Any]) -> None:
        """Run one step of a wizard. Raises _Refused."""
        create = self._result(await self._post(f"wizard.{name}.create", [{}]))
        session = create[0]
        try:
            self._result(await self._post(f"wizard.{name}.execute", [session, dict(data), state, {}]))
        finally:
            await self._post(f"wizard.{name}.delete", [session, {}])

    async def _login(self) -> None:
        response = await self._post("common.db.login", [self._user, {"password": self._password}, "en"])
        if response.status_code in (401, 403):
            raise AuthenticationError("tryton refuses the login: check KINSHIP_TRYTON_USER and KINSHIP_TRYTON_PASSWORD")
        if response.status_code == 404:
            raise ConfigurationError("tryton has no such database: KINSHIP_TRYTON_URL is <server>/<database>")
        answer = self._result(response)
        if not isinstance(answer, list) or len(answer) < 2:
            raise Retryable("login_answer", "tryton answers the login with something else")
        token = f"{self._user}:{answer[0]}:{answer[1]}".encode()
        self._session = "Session " + base64.b64encode(token).decode()

    async def _post(self, method: str, params: list[Any]) -> httpx.Response:
        self._number += 1
        headers = {"Authorization": self._session} if self._session else {}
        call = {"id": self._number, "method": method, "params": params}
        return await self._http.request("POST", "rpc/", json=call, headers=headers, expect=(401, 403, 404))

    def _result(self, response: httpx.Response) -> Any:
        if response.status_code in (401, 403):
            raise AuthenticationError(f"tryton does not let this user do what the sync needs ({response.status_code})")
        if response.status_code == 404:
            raise ConfigurationError("tryton has no such database or model: is KINSHIP_TRYTON_URL <server>/<database>?")
        answer = body(response)
        if not isinstance(answer, dict):
            raise Retryable("not_json")
        if error := answer.get("error"):
            name = str(error[0]) if isinstance(error, list) and error else "error"
            if name == "RateLimitException":
                raise RateLimited
            if name in ("ConcurrencyException", "TimeOutException"):
                raise Retryable(_snake(name))
            if name in ("UserError", "UserWarning"):
                raise _Refused(_snake(name))
            # any other exception of the server: its first word is a text that may quote values
            raise _Refused("server_error")
        return answer.get("result")


class Tryton(Destination):
    """Parties (`party.party`, with contacts and categories) or the addresses of a mailing list (`marketing.email`)."""

    options_model = TrytonOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, user, password = credentials(
            "tryton", "KINSHIP_TRYTON_URL", "KINSHIP_TRYTON_USER", "KINSHIP_TRYTON_PASSWORD"
        )
        self._options: TrytonOptions = target.options
        self._is_list = target.object == "marketing.email"
        http = Http("tryton", url.rstrip("/") + "/", target.meter, timeout=self._options.timeout_seconds)
        self._http = http
        self._client = Client(http, user, password)
        self._parent: int | None = None
        self._list: int | None = None
        self._categories: dict[str, int] = {}

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # no limit is documented; 500 parties are one transaction of 2 s on SQLite
        return Limits(rows=200)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        def batches(rows: int) -> int:
            return -(-rows // limits.rows)

        # login, fields, parent category; a look-up before a creation, a read before a change
        return 3 + 2 * batches(adds) + 2 * batches(changes) + 2 * batches(removals)

    async def check(self) -> CheckResult:
        await self.prepare()
        return CheckResult("tryton", "ok", f"logged in; {self.target.object or 'party.party'} can be written")

    async def prepare(self) -> None:
        model = self.target.object or "party.party"
        if model not in ("party.party", "marketing.email"):
            raise ConfigurationError(
                f"{self.target.sync}: meta.sync.object: tryton has no {model!r} here; "
                "allowed are party.party, marketing.email"
            )
        try:
            fields = await self._client.call(model, "fields_get", [])
        except _Refused:
            raise ConfigurationError(f"tryton does not describe {model}: is its module activated?") from None
        for name in self.target.fields:
            if name not in fields:
                raise ConfigurationError(
                    f"{self.target.sync}: the column {name!r} is not a field of tryton's {model}; "
                    f"it has {', '.join(sorted(fields))}"
                )
        if self._is_list:
            await self._find_list()
        elif self.target.sync and self.target.key not in _CONTACTS:
            raise ConfigurationError(
                f"{self.target.sync}: meta.sync.key: tryton finds a party by {', '.join(_CONTACTS)}, not by "
                f"{self.target.key!r}"
            )

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, set[str]] = {}
        field, owner = ("email", "id") if self._is_list else ("value", "party")
        model = self.target.object if self._is_list else "party.contact_mechanism"
        # `ilike`, as the CRM keeps the case in which an address was typed
        alike = ["OR", *([field, "ilike", _escaped(key)] for key in keys)]
        domain: list[Any] = (
            [["list_", "=", await self._find_list()], alike]
            if self._is_list
            else [["type", "=", self.target.key], ["party.active", "=", True], alike]
        )
        # an address that left the list is found, too: it is there, and it is not put back
        context = {"active_test": not self._is_list}
        records = await self._call(
            str(model), "search_read", domain, 0, None, [["id", "ASC"]], [field, owner], context=context
        )
        for record in records:
            found.setdefault(str(record[field]).strip().lower(), set()).add(str(record[owner]))
        return {key: sorted(ids, key=int) for key, ids in found.items()}

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        create = [(row, values) for row, values in batch.records() if row.destination_id is None]
        change = [(row, values) for row, values in batch.records() if row.destination_id is not None]
        if create:
            made = [await self._new(values) for _, values in create]
            ids = await self._call(self.target.object, "create", made)
            if not isinstance(ids, list) or len(ids) != len(create):
                raise Retryable("no_record", "tryton said yes without giving the records")
            for (row, _), record in zip(create, ids, strict=True):
                yield Outcome(row.key, "accepted", destination_id=str(record))
        if self._is_list:
            async for outcome in self._members([row for row, _ in change]):
                yield outcome
        elif change:
            there = await self._there([row for row, _ in change])
            pairs: list[Any] = []
            for row, values in change:
                if row.destination_id in there:
                    pairs += [
                        [int(row.destination_id or 0)],
                        await self._changed(row, values, there[row.destination_id]),
                    ]
            if pairs:
                await self._call("party.party", "write", *pairs)
            for row, _ in change:
                yield Outcome(row.key, "accepted" if row.destination_id in there else "gone")

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            record = int(row.destination_id or 0)
            if self._is_list:
                if row.created_by_us or batch.operation is Operation.ERASE:
                    await self._call("marketing.email", "delete", [record])
            elif row.created_by_us:
                try:
                    await self._client.call("party.party", "delete", [record])
                except _Refused:
                    # deals or invoices hold on to it
                    await self._leave(record, active=False)
            else:
                await self._leave(record)
            yield Outcome(row.key, "accepted")

    async def erase(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._is_list:
            async for outcome in self.remove(batch):
                yield outcome
            return
        for row in batch.rows:
            record = int(row.destination_id or 0)
            try:
                await self._leave(record, active=False)
                await self._client.wizard("party.erase", "erase", {"ask": {"party": record}})
                yield Outcome(row.key, "accepted")
            except (_Refused, Rejected):
                yield Outcome(row.key, "rejected", error_class="erase_refused")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        known = {str(row.destination_id): row.key for row in rows if row.destination_id}
        fields = [name for name in self.target.fields if name != _CATEGORIES]
        domain = [["id", "in", [int(record) for record in known]]]
        wanted = [*fields, *(["categories.name", "categories.parent"] if _CATEGORIES in self.target.fields else [])]
        records = await self._call(self.target.object, "search_read", domain, 0, None, None, wanted)
        parent = await self._find_parent() if _CATEGORIES in self.target.fields else None
        for record in records:
            values = {name: record[name] for name in fields}
            if parent is not None:
                values[_CATEGORIES] = sorted(
                    category["name"] for category in record["categories."] if category["parent"] == parent
                )
            yield Found(known[str(record["id"])], str(record["id"]), values)

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        if not self._is_list:
            return
        domain: list[Any] = [["list_", "=", await self._find_list()], ["active", "=", False]]
        if since is not None:
            domain.append(["write_date", ">", _moment(since)])
        records = await self._call(
            "marketing.email", "search_read", domain, 0, None, None, ["email", "write_date", "create_date"]
        )
        for record in records:
            yield OptOut(str(record["email"]).lower(), "email", _time(record["write_date"] or record["create_date"]))

    async def close(self) -> None:
        await self._http.close()

    async def _call(self, model: str, method: str, *arguments: Any, context: Mapping[str, Any] | None = None) -> Any:
        try:
            return await self._client.call(model, method, *arguments, context=context)
        except _Refused as refused:
            raise Rejected(refused.error_class) from None

    async def _members(self, rows: Sequence[Row]) -> AsyncIterator[Outcome]:
        """Addresses that are on the list: those who left it are not put back."""
        ids = [int(row.destination_id or 0) for row in rows]
        records = await self._call(
            "marketing.email", "search_read", [["id", "in", ids]], 0, None, None, ["active"],
            context={"active_test": False},
        ) if ids else []  # fmt: skip
        active = {str(record["id"]): record["active"] for record in records}
        for row in rows:
            if row.destination_id not in active:
                yield Outcome(row.key, "gone")
            elif active[row.destination_id]:
                yield Outcome(row.key, "accepted")
            else:
                yield Outcome(row.key, "rejected", error_class="opted_out")

    async def _new(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if value is not None}
        if self._is_list:
            return {**given, "list_": await self._find_list()}
        element = {name: value for name, value in given.items() if name not in (*_CONTACTS, _CATEGORIES)}
        contacts = [{"type": name, "value": given[name]} for name in _CONTACTS if name in given]
        if contacts:
            element["contact_mechanisms"] = [["create", contacts]]
        if given.get(_CATEGORIES):
            element[_CATEGORIES] = [["add", [await self._category(name) for name in given[_CATEGORIES]]]]
        return element

    async def _changed(self, row: Row, values: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
        clear = self.target.on_null == "clear"
        element: dict[str, Any] = {}
        contacts: list[Any] = []
        for name, value in values.items():
            # the key matched already, and is written only when it moves
            if (value is None and not clear) or (name == self.target.key and row.moved_from is None):
                continue
            if name == _CATEGORIES:
                ours = {c["id"] for c in record["categories."] if c["parent"] == await self._find_parent()}
                wanted = {await self._category(category) for category in value or ()}
                element[name] = [["remove", sorted(ours - wanted)], ["add", sorted(wanted - ours)]]
            elif name in _CONTACTS:
                contacts += _contact(name, value, record["contact_mechanisms."])
            else:
                element[name] = value
        if contacts:
            element["contact_mechanisms"] = contacts
        return element

    async def _there(self, rows: Sequence[Row]) -> dict[str | None, dict[str, Any]]:
        ids = [int(row.destination_id or 0) for row in rows]
        fields = [f"contact_mechanisms.{name}" for name in ("type", "value")]
        fields += [f"categories.{name}" for name in ("name", "parent")]
        records = await self._call("party.party", "search_read", [["id", "in", ids]], 0, None, None, fields)
        return {str(record["id"]): record for record in records}

    async def _leave(self, record: int, **values: Any) -> None:
        """Take a party out of our categories."""
        ours = await self._call("party.category", "search", [["parent", "=", await self._find_parent()]], 0, None, None)
        await self._call("party.party", "write", [record], {_CATEGORIES: [["remove", ours]], **values})

    async def _category(self, name: str) -> int:
        if name not in self._categories:
            parent = await self._find_parent()
            found = await self._call(
                "party.category", "search", [["parent", "=", parent], ["name", "=", name]], 0, 1, None
            )
            if not found:
                found = await self._call("party.category", "create", [{"name": name, "parent": parent}])
            self._categories[name] = int(found[0])
        return self._categories[name]

    async def _find_parent(self) -> int:
        if self._parent is None:
            name = self._options.category
            domain = [["parent", "=", None], ["name", "=", name]]
            found = await self._call("party.category", "search", domain, 0, 1, None)
            if not found:
                found = await self._call("party.category", "create", [{"name": name}])
            self._parent = int(found[0])
        return self._parent

    async def _find_list(self) -> int:
        if self._list is None:
            name = self._options.list_name
            if not name:
                raise ConfigurationError(
                    f"{self.target.sync}: meta.sync.options.list_name: name the mailing list that the addresses go to"
                )
            found = await self._call("marketing.email.list", "search", [["name", "=", name]], 0, 2, None)
            if len(found) != 1:
                raise ConfigurationError(
                    f"{self.target.sync}: tryton has {len(found)} mailing lists of the name {name!r}; it must be one"
                )
            self._list = int(found[0])
        return self._list


def _contact(kind: str, value: Any, mechanisms: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What makes `value` the first contact of its kind."""
    first = next((mechanism for mechanism in mechanisms if mechanism["type"] == kind), None)
    if first is None:
        return [["create", [{"type": kind, "value": value}]]] if value is not None else []
    if value is None:
        return [["delete", [first["id"]]]]
    return [["write", [first["id"]], {"value": value}]] if first["value"] != value else []


def _escaped(key: str) -> str:
    """A key as a pattern of `ilike` that matches itself alone."""
    return re.sub(r"([\\%_])", r"\\\1", key)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _moment(at: datetime) -> dict[str, Any]:
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def _time(value: Mapping[str, Any]) -> datetime:
    year, month, day, hour, minute, second, microsecond = (
        int(value[name]) for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")
    )
    return datetime(year, month, day, hour, minute, second, microsecond)
