"""Ghost 6, the newsletter: members and their labels.

What shapes this file, from Ghost's Admin API v6: a token is a JWT (HS256) of the key `<id>:<secret>`, good for five
minutes; members are written one by one; making one that is there answers 422, so a member is looked up first (a filter
in NQL). A member's `labels` are replaced as a whole, so those that are not ours are read and sent again; ours begin
with `label_prefix`. A new member is subscribed to every newsletter unless told otherwise: we say none, or the
one that the option `newsletter` names. Of a member who is there, newsletters are never touched: who left one stays out.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Found, Operation, OptOut, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import ConfigurationError, Rejected, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_json

_PROPERTIES = ("email", "name", "note", "labels")
_PAGE = 100


class GhostOptions(Options):
    """`label_prefix` marks our labels; `newsletter`: the slug of the one that new members are subscribed to."""

    label_prefix: str = Field(default="kinship: ", min_length=1)
    newsletter: str | None = None
    timeout_seconds: float = Field(default=30.0, gt=0)


class _Token(httpx.Auth):
    """A fresh JWT for each call: it costs microseconds, and never expires on the way."""

    def __init__(self, key: str) -> None:
        self._id, _, secret = key.partition(":")
        try:
            self._secret = bytes.fromhex(secret)
        except ValueError:
            self._secret = b""
        if not self._id or not self._secret:
            raise ConfigurationError("KINSHIP_GHOST_ADMIN_KEY is not of the form <id>:<hexadecimal secret>")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        now = int(time.time())
        header = {"alg": "HS256", "typ": "JWT", "kid": self._id}
        parts = [
            _encoded(json.dumps(part).encode()) for part in (header, {"iat": now, "exp": now + 300, "aud": "/admin/"})
        ]
        signature = hmac.new(self._secret, b".".join(parts), hashlib.sha256).digest()
        request.headers["Authorization"] = f"Ghost {b'.'.join([*parts, _encoded(signature)]).decode()}"
        yield request


class Ghost(Destination):
    """Members: `email` is the key; `name`, `note`, and `labels`, a list of names without the prefix."""

    options_model = GhostOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    folds_case: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, key = credentials("ghost", "KINSHIP_GHOST_URL", "KINSHIP_GHOST_ADMIN_KEY")
        self._options: GhostOptions = target.options
        self._http = Http(
            "ghost", url.rstrip("/") + "/ghost/api/admin/", target.meter, auth=_Token(key),
            headers={"Accept-Version": "v6.0"}, timeout=self._options.timeout_seconds, explain=_error_class,
        )  # fmt: skip
        self._newsletter: str | None = None

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # no limit is documented; a page of members holds 100, and so many addresses fit into a query
        return Limits(rows=_PAGE)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        batches = sum(-(-rows // limits.rows) for rows in (adds, changes, removals))
        return 1 + batches + adds + changes + removals

    async def check(self) -> CheckResult:
        await self.prepare()
        return CheckResult("ghost", "ok", "the key is taken")

    async def prepare(self) -> None:
        if self.target.object not in ("", "members"):
            raise ConfigurationError(
                f"{self.target.sync}: meta.sync.object: ghost knows 'members' here, not {self.target.object!r}"
            )
        for name in self.target.fields:
            if name not in _PROPERTIES:
                raise ConfigurationError(
                    f"{self.target.sync}: the column {name!r} is not a field of ghost's members; "
                    f"allowed are {', '.join(_PROPERTIES)}"
                )
        if self.target.fields and self.target.key != "email":
            raise ConfigurationError(f"{self.target.sync}: meta.sync.key: ghost finds a member by 'email' alone")
        try:
            answer = body(await self._http.request("GET", "newsletters/", params={"limit": "all"}))
        except Rejected:
            raise ConfigurationError("ghost does not list its newsletters: is KINSHIP_GHOST_URL right?") from None
        slugs = {newsletter["slug"]: newsletter["id"] for newsletter in answer.get("newsletters", [])}
        if (wanted := self._options.newsletter) is not None:
            if wanted not in slugs:
                raise ConfigurationError(
                    f"{self.target.sync}: meta.sync.options.newsletter: ghost has no newsletter {wanted!r}; "
                    f"it has {', '.join(sorted(slugs))}"
                )
            self._newsletter = slugs[wanted]

    async def lookup(self, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        wanted = ",".join(_quoted(key) for key in keys)
        found: dict[str, list[str]] = {}
        for member in await self._members(f"email:[{wanted}]"):
            found.setdefault(member["email"].strip().lower(), []).append(member["id"])
        return found

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        there = await self._known(batch.rows)
        for row, values in batch.records():
            if row.destination_id is not None and row.destination_id not in there:
                yield Outcome(row.key, "gone")
                continue
            try:
                yield await self._write(row, values, there.get(row.destination_id or ""))
            except Rejected as rejected:
                yield Outcome(row.key, "rejected", error_class=rejected.error_class)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        there = await self._known(batch.rows)
        for row in batch.rows:
            member = there.get(row.destination_id or "")
            if member is None:
                yield Outcome(row.key, "accepted")
                continue
            if row.created_by_us or batch.operation is Operation.ERASE:
                await self._http.request("DELETE", f"members/{member['id']}/", expect=(404,))
            else:
                theirs = [{"name": name} for name in _names(member) if not self._is_ours(name)]
                kept: dict[str, Any] = {"labels": theirs}
                if "note" in self.target.fields:
                    kept["note"] = ""
                await self._http.request("PUT", f"members/{member['id']}/", json={"members": [kept]})
            yield Outcome(row.key, "accepted")

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        keys = {row.destination_id: row.key for row in rows}
        prefix = len(self._options.label_prefix)
        for record, member in (await self._known(rows)).items():
            values = {name: member.get(name) for name in self.target.fields}
            if "labels" in values:
                values["labels"] = sorted(name[prefix:] for name in _names(member) if self._is_ours(name))
            yield Found(keys[record], record, values)

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        if self._options.newsletter is None:
            return  # our members are subscribed to nothing, and nobody can leave that
        changed = f"+updated_at:>'{since:%Y-%m-%d %H:%M:%S}'" if since else ""
        for member in await self._members(f"subscribed:false{changed}"):
            at = datetime.fromisoformat(member["updated_at"]).astimezone(UTC).replace(tzinfo=None)
            yield OptOut(member["email"].strip().lower(), "email", at)

    async def close(self) -> None:
        await self._http.close()

    async def _write(self, row: Row, values: Mapping[str, Any], member: Mapping[str, Any] | None) -> Outcome:
        sent: dict[str, Any] = {}
        for name, value in values.items():
            if value is None and self.target.on_null == "leave":
                continue
            if name == "labels":
                theirs = [label for label in _names(member or {}) if not self._is_ours(label)]
                ours = [self._options.label_prefix + label for label in value or ()]
                sent["labels"] = [{"name": label} for label in (*theirs, *ours)]
            # the key matched already, and is written only when it moves
            elif name != self.target.key or member is None or row.moved_from is not None:
                sent[name] = value
        if member is None:
            sent["newsletters"] = [{"id": self._newsletter}] if self._newsletter else []
            answer = await self._http.request("POST", "members/", json={"members": [sent]})
        else:
            answer = await self._http.request("PUT", f"members/{member['id']}/", json={"members": [sent]})
        members = body(answer).get("members") or [{}]
        if not members[0].get("id"):
            raise Retryable("no_record", "ghost said yes without giving the member")
        return Outcome(row.key, "accepted", destination_id=members[0]["id"])

    async def _known(self, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
        ids = [row.destination_id for row in rows if row.destination_id]
        if not ids:
            return {}
        return {member["id"]: member for member in await self._members(f"id:[{','.join(ids)}]")}

    async def _members(self, filter_: str) -> list[dict[str, Any]]:
        members: list[dict[str, Any]] = []
        page: int | None = 1
        while page is not None:
            parameters = {"filter": filter_, "limit": _PAGE, "page": page, "include": "labels,newsletters"}
            answer = body(await self._http.request("GET", "members/", params=parameters))
            members += answer["members"]
            page = answer["meta"]["pagination"]["next"]
        return members

    def _is_ours(self, label: str) -> bool:
        return label.startswith(self._options.label_prefix)


def _names(member: Mapping[str, Any]) -> list[str]:
    return [label["name"] for label in member.get("labels") or ()]


def _quoted(value: str) -> str:
    """A string of NQL, Ghost's query language."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _encoded(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _error_class(response: httpx.Response) -> str | None:
    try:
        kind = response.json()["errors"][0]["type"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return (
        "".join("_" + c.lower() if c.isupper() else c for c in str(kind)).lstrip("_") if str(kind).isalpha() else None
    )
