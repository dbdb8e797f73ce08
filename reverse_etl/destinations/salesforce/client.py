"""Salesforce's REST API: log in by OAuth, describe, query, and write up to 200 records in a call.

Sources: REST API Developer Guide ("Upsert Records Using sObject Collections", "Status Codes and Error Responses") and,
for the shapes, `simple_salesforce` (api.py, bulk2.py, login.py).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from reverse_etl.errors import AuthenticationError, RateLimited, Retryable
from reverse_etl.http import Http, body
from reverse_etl.pace import Meter

VERSION = "v64.0"
COLLECTION = 200
"""Records of one composite call."""
_COLLECTION_BYTES = 4_000_000
_RETRIEVED = 2_000
"""Records of one retrieve call."""
KEYS = 250
"""Keys in a query; fewer when they are long: it travels in the URL, of which 16,384 bytes are taken."""
_QUERY_BYTES = 12_000
_DAY = 86_400.0


@dataclass(frozen=True)
class Credentials:
    """Of a connected app (external client app): its own user's by client credentials, or a person's refresh token."""

    url: str
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None

    def grant(self) -> dict[str, str]:
        secret = {"client_id": self.client_id, "client_secret": self.client_secret.get_secret_value()}
        if self.refresh_token is None:
            return {"grant_type": "client_credentials", **secret}
        return {"grant_type": "refresh_token", "refresh_token": self.refresh_token.get_secret_value(), **secret}


@dataclass(frozen=True)
class Written:
    """What one record of a call became. `error` is the status code in lower case; `fields` those it is about."""

    id: str | None = None
    is_created: bool = False
    error: str | None = None
    fields: tuple[str, ...] = ()


class Client:
    """One org, logged in when needed."""

    def __init__(self, credentials: Credentials, meter: Meter, timeout: float) -> None:
        self._credentials = credentials
        self._http = Http("Salesforce", credentials.url, meter, timeout=timeout, explain=_explain)
        self._instance = ""
        self._token: SecretStr | None = None

    async def close(self) -> None:
        await self._http.close()

    async def limits(self) -> dict[str, Any]:
        """The org's allowances: `DailyApiRequests` {`Max`, `Remaining`} ..."""
        return dict(await self.json("GET", "/limits"))

    async def fields(self, object: str) -> dict[str, dict[str, Any]]:
        """The object's fields by name. Raises Rejected when there is no such object."""
        described = await self.json("GET", f"/sobjects/{object}/describe")
        return {entry["name"]: entry for entry in described["fields"]}

    async def query(self, soql: str) -> list[dict[str, Any]]:
        """Every record of a query, page by page."""
        answer = await self.json("GET", "/query", params={"q": soql})
        records = list(answer["records"])
        while not answer["done"]:
            answer = await self.json("GET", answer["nextRecordsUrl"])
            records += answer["records"]
        return records

    async def retrieve(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """The records that are there."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), _RETRIEVED):
            asked = {"ids": list(ids[start : start + _RETRIEVED]), "fields": list(fields)}
            answer = await self.json("POST", f"/composite/sobjects/{object}", json=asked)
            found += [record for record in answer if record is not None]
        return found

    async def update(self, object: str, records: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Change at most COLLECTION records, each with its `id`."""
        return await self._collection("PATCH", "/composite/sobjects", object, records)

    async def upsert(self, object: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Change or make at most COLLECTION records, by the field `key`."""
        return await self._collection("PATCH", f"/composite/sobjects/{object}/{key}", object, records)

    async def delete(self, ids: Sequence[str]) -> list[Written]:
        """Put at most COLLECTION records into the recycle bin."""
        parameters = {"ids": ",".join(ids), "allOrNone": "false"}
        return _written(await self.json("DELETE", "/composite/sobjects", params=parameters), len(ids))

    async def _collection(
        self, method: str, path: str, object: str, records: Sequence[Mapping[str, Any]]
    ) -> list[Written]:
        typed = [{"attributes": {"type": object}, **record} for record in records]
        answer = await self.json(method, path, json={"allOrNone": False, "records": typed})
        return _written(answer, len(records))

    async def json(self, method: str, path: str, **arguments: Any) -> Any:
        return body(await self.call(method, path, **arguments))

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call of the versioned API; `path` may begin with /services itself."""
        path = path if path.startswith("/services/") else f"/services/data/{VERSION}{path}"
        headers = arguments.pop("headers", {})
        for attempt in range(2):
            if self._token is None:
                await self._log_in()
            token = self._token.get_secret_value() if self._token else ""
            response = await self._http.request(
                method, f"{self._instance}{path}", expect=(401, 403),
                headers={**headers, "Authorization": f"Bearer {token}"}, **arguments,
            )  # fmt: skip
            if response.status_code == 401 and attempt == 0:
                # a session ends after hours, or when an administrator ends it
                self._token = None
                continue
            if response.status_code in (401, 403):
                raise _refused(response)
            return response
        raise AssertionError("unreachable")

    async def _log_in(self) -> None:
        response = await self._http.request(
            "POST", "/services/oauth2/token", expect=(400, 401, 403), data=self._credentials.grant()
        )
        answer = body(response)
        if not response.is_success:
            told = str(answer.get("error", "")) if isinstance(answer, dict) else ""
            code = told if re.fullmatch(r"[a-z_]+", told) else f"HTTP {response.status_code}"
            raise AuthenticationError(
                f"Salesforce refuses the login ({code}): check KINSHIP_SALESFORCE_URL (the org's My Domain), "
                "KINSHIP_SALESFORCE_CLIENT_ID and KINSHIP_SALESFORCE_CLIENT_SECRET, and that the app allows "
                + ("client credentials" if self._credentials.refresh_token is None else "this refresh token")
            )
        try:
            self._token = SecretStr(answer["access_token"])
            self._instance = str(answer["instance_url"]).rstrip("/")
        except (KeyError, TypeError):
            raise Retryable("login_answer") from None


def by_size(records: Sequence[Any], size_of: Mapping[int, int]) -> Iterator[range]:
    """Positions of `records` for each call: at most COLLECTION, and not too many bytes."""
    start, size = 0, 0
    for position in range(len(records)):
        if position > start and (position - start == COLLECTION or size + size_of[position] > _COLLECTION_BYTES):
            yield range(start, position)
            start, size = position, 0
        size += size_of[position]
    if start < len(records):
        yield range(start, len(records))


def json_bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def key_queries(object: str, key: str, keys: Sequence[str], *, is_number: bool) -> Iterator[str]:
    """Queries for `Id` and key of all records that have one of the keys."""
    part: list[str] = []
    size = 0
    for value in keys:
        written = value if is_number else _literal(value)
        length = len(quote(written)) + 3
        if part and (len(part) == KEYS or size + length > _QUERY_BYTES):
            yield _key_query(object, key, part)
            part, size = [], 0
        part.append(written)
        size += length
    if part:
        yield _key_query(object, key, part)


def _key_query(object: str, key: str, values: Sequence[str]) -> str:
    return f"SELECT Id, {key} FROM {object} WHERE {key} IN ({','.join(values)})"  # noqa: S608 - quoted by _literal


def _literal(value: str) -> str:
    """A string of SOQL ("Quoted String Escape Sequences"): a backslash escapes, line breaks have letters."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return "'" + escaped.replace("\t", "\\t") + "'"


def _written(answer: Any, count: int) -> list[Written]:
    """Results come in the order of the records."""
    if not isinstance(answer, list) or len(answer) != count:
        raise Retryable("unexpected_answer")
    return [_one_written(entry) for entry in answer]


def _one_written(entry: Mapping[str, Any]) -> Written:
    if entry.get("success"):
        return Written(entry.get("id"), bool(entry.get("created")))
    errors = entry.get("errors") or [{}]
    return Written(error=code_of(errors[0].get("statusCode")), fields=tuple(errors[0].get("fields") or ()))


def code_of(code: object) -> str:
    """A status code as a class of error."""
    return code.lower() if isinstance(code, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", code) else "refused"


def _problems(response: httpx.Response) -> list[dict[str, Any]]:
    try:
        told = response.json()
    except ValueError:
        return []
    return [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []


def _explain(response: httpx.Response) -> str | None:
    return next((code_of(problem.get("errorCode")) for problem in _problems(response)), None)


def _refused(response: httpx.Response) -> Exception:
    code = _explain(response) or f"http_{response.status_code}"
    if code == "request_limit_exceeded":
        # too many at once passes soon; the allowance of 24 hours does not
        at_once = any("concurrent" in str(problem.get("message", "")).lower() for problem in _problems(response))
        return RateLimited(None if at_once else _DAY)
    return AuthenticationError(
        f"Salesforce does not allow the call ({code}): check the permissions of the user that the app runs as"
    )
