"""Vtiger, open source 8.x, through its webservice (`webservice.php`).

What shapes this file: there is no upsert and no bulk write; two contacts with one e-mail are accepted without a word,
so a record is never created without a look-up; errors are HTTP 200 with `success: false`; a deleted record answers
ACCESS_DENIED; sessions end at any time; `query` gives 100 rows at most and must end in `;`. Every value is text, a
checkbox `0` or `1`.

Tags exist on Vtiger One (the cloud edition) only: here a segment is a field (`cf_...`) that the sync model fills.
A removal deletes a record that the sync created; a record that was there before stays, and only our custom fields are
emptied.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from reverse_etl.destination import Batch, CheckResult, Destination, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Rejected, Retryable
from reverse_etl.http import certificates, retry_after, unlogged
from reverse_etl.limits import Limits, Options

_SESSION_ENDED = frozenset({"INVALID_SESSIONID", "SESSION_EXPIRED", "SESSIONID_INVALID", "AUTHENTICATION_REQUIRED"})
_CREDENTIALS_REFUSED = frozenset(
    {"INVALID_AUTH_TOKEN", "AUTHENTICATION_FAILURE", "INVALID_USER_CREDENTIALS", "ACCESSKEY_UNDEFINED"}
)
_TRANSIENT = frozenset({"DATABASE_QUERY_ERROR", "INTERNAL_SERVER_ERROR", "UNKNOWN_ERROR"})
_GONE = frozenset({"ACCESS_DENIED", "RECORD_NOT_FOUND"})
_SCRIPT = "/webservice.php"
_PAGE = 100
_QUERY_BYTES = 4000
"""A query travels in the URL, and web servers refuse URLs beyond 8 KB."""


class VtigerOptions(Options):
    """`assigned_user_id` owns created records (default: who logs in). `clear_fields`: comma separated names of what a
    removal empties on records that we did not create; default: the sync's custom fields (`cf_...`)."""

    assigned_user_id: str | None = Field(default=None, pattern=r"^\d+x\d+$")
    clear_fields: str | None = None
    settle_seconds: float = Field(default=5.0, ge=0)
    timeout_seconds: float = Field(default=30.0, gt=0)


class _Refused(Exception):
    """`success: false`: the code and the message of the server. The message may quote values: it is never shown."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Client:
    """The webservice's protocol: log in when needed, one request at a time, answers or typed errors."""

    def __init__(
        self, url: str, user: str, access_key: SecretStr, timeout: float, before_call: Callable[[], Awaitable[None]]
    ) -> None:
        self._url = url.rstrip("/") + ("" if url.rstrip("/").endswith(".php") else _SCRIPT)
        self._user = user
        self._access_key = access_key
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False, verify=certificates())
        self._before_call = before_call
        self._session: str | None = None
        self.user_id: str | None = None
        self.version: str | None = None

    async def get(self, operation: str, **parameters: str) -> Any:
        return await self._with_session("GET", operation, parameters)

    async def post(self, operation: str, **parameters: str) -> Any:
        return await self._with_session("POST", operation, parameters)

    async def close(self) -> None:
        await self._http.aclose()

    async def login(self) -> None:
        """Raises AuthenticationError when the server knows neither the user nor the key."""
        try:
            token = (await self._call("GET", {"operation": "getchallenge", "username": self._user}))["token"]
            secret = f"{token}{self._access_key.get_secret_value()}".encode()
            key = hashlib.md5(secret, usedforsecurity=False).hexdigest()
            result = await self._call("POST", {"operation": "login", "username": self._user, "accessKey": key})
            self._session, self.user_id = result["sessionName"], result["userId"]
            self.version = result.get("vtigerVersion")
        except (KeyError, TypeError):
            raise Retryable("login_answer", "vtiger answers the login with something else") from None
        except _Refused as refused:
            # a user has one token at a time: another process that logs in takes it away
            if refused.code in _TRANSIENT or refused.code == "INVALID_AUTH_TOKEN":
                raise Retryable(refused.code.lower()) from None
            raise AuthenticationError(
                f"vtiger refuses the login ({refused.code}): check KINSHIP_VTIGER_USER and KINSHIP_VTIGER_ACCESS_KEY"
            ) from None

    async def _with_session(self, method: str, operation: str, parameters: Mapping[str, str]) -> Any:
        for attempt in range(2):
            if self._session is None:
                await self.login()
            try:
                asked = {"operation": operation, "sessionName": self._session or "", **parameters}
                return await self._call(method, asked)
            except _Refused as refused:
                if refused.code in _SESSION_ENDED and attempt == 0:
                    self._session = None
                    continue
                if refused.code in _SESSION_ENDED:
                    raise Retryable("session_ended") from None
                if refused.code in _CREDENTIALS_REFUSED:
                    raise AuthenticationError(f"vtiger refuses the session ({refused.code})") from None
                if refused.code in _TRANSIENT:
                    raise Retryable(refused.code.lower()) from None
                raise
        raise AssertionError("unreachable")

    async def _call(self, method: str, parameters: Mapping[str, str]) -> Any:
        await self._before_call()
        try:
            with unlogged():
                if method == "GET":
                    response = await self._http.get(self._url, params=dict(parameters))
                else:
                    response = await self._http.post(self._url, data=dict(parameters))
        except httpx.TimeoutException:
            raise Retryable("timeout") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ConfigurationError("KINSHIP_VTIGER_URL is not a URL (http:// or https://)") from None
        except httpx.TransportError as error:
            raise Retryable("connection", f"no connection to vtiger ({type(error).__name__})") from None
        if response.status_code == 429:
            raise RateLimited(retry_after(response))
        if response.status_code in (401, 403):
            raise AuthenticationError(f"vtiger answers HTTP {response.status_code}")
        if response.status_code >= 500:
            raise Retryable(f"http_{response.status_code}")
        if response.status_code >= 300:
            raise ConfigurationError(f"vtiger answers HTTP {response.status_code}: is KINSHIP_VTIGER_URL right?")
        try:
            body = response.json()
            success = body["success"]
        except (ValueError, KeyError, TypeError):
            # PHP prints warnings and fatal errors into the answer
            raise Retryable("not_json") from None
        if not success:
            problem = body.get("error")
            told = problem if isinstance(problem, dict) else {}
            raise _Refused(str(told.get("code", "UNKNOWN")), str(told.get("message") or ""))
        return body.get("result")


class Vtiger(Destination):
    """One module (Contacts, Leads, Accounts ...) of a Vtiger."""

    options_model = VtigerOptions
    can_look_up: ClassVar[bool] = True
    # MySQL's collation compares without case
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, user, access_key = credentials(
            "vtiger", "KINSHIP_VTIGER_URL", "KINSHIP_VTIGER_USER", "KINSHIP_VTIGER_ACCESS_KEY"
        )
        self._options: VtigerOptions = target.options
        self.settle_seconds = self._options.settle_seconds
        self._client = Client(url, user, SecretStr(access_key), self._options.timeout_seconds, target.meter.call)
        self._types: dict[str, str] = {}

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

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return Limits(rows=_PAGE)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        lookups = -(-adds // limits.rows)
        # getchallenge, login, describe
        return 3 + lookups + adds + changes + removals

    async def check(self) -> CheckResult:
        try:
            types = (await self._client.get("listtypes"))["types"]
        except _Refused as refused:
            raise ConfigurationError(f"vtiger does not list its modules ({refused.code})") from None
        module = self.target.object
        if module and module not in types:
            raise ConfigurationError(
                f"vtiger has no module {module!r} for this user; it has {', '.join(sorted(types))}"
            )
        if module:
            await self.prepare()
        details = {"version": self._client.version or "", "modules": str(len(types))}
        return CheckResult("vtiger", "ok", f"logged in; {len(types)} modules", details)

    async def prepare(self) -> None:
        module = self.target.object
        try:
            description = await self._client.get("describe", elementType=module)
        except _Refused as refused:
            raise ConfigurationError(f"vtiger does not describe the module {module!r} ({refused.code})") from None
        fields = {field["name"]: field for field in description["fields"]}
        self._types = {name: str(field["type"]["name"]) for name, field in fields.items()}
        editable = sorted(name for name, field in fields.items() if field["editable"])
        for name in (*self.target.fields, *self._cleared()):
            if name not in editable:
                state = "is read-only in" if name in fields else "is not a field of"
                raise ConfigurationError(
                    f"{self.target.sync}: the column {name!r} {state} vtiger's {module}; it takes {', '.join(editable)}"
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
                f"{self.target.sync}: vtiger's {module} must have {', '.join(missing)}; select it in the sync model"
            )

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for query in _queries(self.target.object, self.target.key, keys):
            offset = 0
            while True:
                try:
                    rows = await self._client.get("query", query=f"{query} limit {offset},{_PAGE};")
                except _Refused as refused:
                    raise Rejected(f"query_{refused.code.lower()}") from None
                for row in rows:
                    # the collation also takes é for e; we do not
                    key = str(row[self.target.key] or "").strip(" ").lower()
                    found.setdefault(key, []).append(row["id"])
                if len(rows) < _PAGE:
                    break
                offset += _PAGE
        return found

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row, values in batch.records():
            try:
                yield await (self._revise(row, values) if row.destination_id else self._create(row, values))
            except _Refused as refused:
                yield _outcome(row, refused)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        cleared = {name: "0" if self._types.get(name) == "boolean" else "" for name in self._cleared()}
        for row in batch.rows:
            record = row.destination_id or ""  # the engine looked it up
            try:
                if row.created_by_us:
                    await self._client.post("delete", id=record)
                elif cleared:
                    await self._client.post("revise", element=json.dumps({"id": record, **cleared}))
                yield Outcome(row.key, "accepted")
            except _Refused as refused:
                yield _outcome(row, refused)

    async def close(self) -> None:
        await self._client.close()

    async def _create(self, row: Row, values: Mapping[str, str | None]) -> Outcome:
        element = {name: value for name, value in values.items() if value is not None}
        owner = self._options.assigned_user_id or self._client.user_id
        if "assigned_user_id" not in element and owner:
            element["assigned_user_id"] = owner
        answer = await self._client.post("create", elementType=self.target.object, element=json.dumps(element))
        return self._accepted(row, answer)

    async def _revise(self, row: Row, values: Mapping[str, str | None]) -> Outcome:
        # the key matched already; sending it again would undo a correction that somebody made in the CRM
        sent = {name: value for name, value in values.items() if name != self.target.key or row.moved_from is not None}
        if self.target.on_null == "clear":
            element: dict[str, str] = {name: "" if value is None else value for name, value in sent.items()}
        else:
            element = {name: value for name, value in sent.items() if value is not None}
        answer = await self._client.post("revise", element=json.dumps({**element, "id": row.destination_id}))
        return self._accepted(row, answer)

    def _accepted(self, row: Row, answer: Any) -> Outcome:
        if not isinstance(answer, dict) or not answer.get("id"):
            raise Retryable("no_record", "vtiger said yes without giving the record")
        return Outcome(row.key, "accepted", destination_id=answer["id"])

    def _cleared(self) -> tuple[str, ...]:
        if self._options.clear_fields is not None:
            return tuple(name.strip() for name in self._options.clear_fields.split(",") if name.strip())
        return tuple(name for name in self.target.fields if name.startswith("cf_"))


def _outcome(row: Row, refused: _Refused) -> Outcome:
    if refused.code in _GONE and row.destination_id is not None:
        return Outcome(row.key, "gone", error_class=refused.code.lower())
    duplicate = "duplicate" in refused.message.lower()
    code = "duplicate" if duplicate else re.sub(r"\W+", "_", refused.code).lower() or "refused"
    return Outcome(row.key, "rejected", error_class=code)


def _queries(module: str, field: str, keys: Sequence[str]) -> Iterator[str]:
    """`select` statements, without limit and semicolon, that find all records with one of the keys."""
    part: list[str] = []
    size = 0
    for key in keys:
        value = _literal(key)
        length = len(quote(value)) + 3
        if part and (size + length > _QUERY_BYTES or len(part) == _PAGE):
            yield _query(module, field, part)
            part, size = [], 0
        part.append(value)
        size += length
    if part:
        yield _query(module, field, part)


def _query(module: str, field: str, values: Sequence[str]) -> str:
    wanted = ",".join(values)
    return f"select id,{field} from {module} where {field} in ({wanted}) order by id"  # noqa: S608 - quoted above


def _literal(value: str) -> str:
    """A string of Vtiger's query language: quotes are doubled.

    The lexer takes a backslash as it is and hands the text to MySQL, where it escapes what follows: it cannot be
    written safely.
    """
    if "\\" in value or any(ord(character) < 32 for character in value):
        raise Rejected("unsafe_key", "a key with a backslash or a control character cannot be looked up in vtiger")
    return "'" + value.replace("'", "''") + "'"
