"""Vtiger One, the cloud edition, through its REST API; see `reverse_etl/vtiger.py` for its records.

What shapes this file: one record per call, and few calls: by edition so many a minute and an hour, and in any 24 hours
a free share plus one for every user (help.vtiger.com, article 152099716, April 2025, and its FAQ: Professional with two
users has 6,000 + 2 x 600 = 7,200). So unchanged rows cost nothing, and the most valuable go first. Every answer says in
X-FloodControl-Remaining and -Reset what is left of the minute, in X-RateLimit-Remaining what is left of the day.
Failures are 4xx with the message in the status line, as the vendor's own client reads it, or `success: false`.

With the option `tag` the sync is one segment: everybody in the model carries the tag, who leaves the model loses it,
and no removal deletes a record. The tag is one more call per record.
"""

import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Literal

import httpx
import orjson
from pydantic import Field

from reverse_etl.destination import Batch, Outcome, Row, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import RateLimited, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Limits, Options, Rate
from reverse_etl.pace import Meter
from reverse_etl.vtiger import PAGE, Refused, VtigerModule, VtigerOptions, outcome

_API = "/restapi/v1/vtiger/default"
_ADDRESS = ("KINSHIP_VTIGER_ONE_URL", "KINSHIP_VTIGER_ONE_USER", "KINSHIP_VTIGER_ONE_ACCESS_KEY")
_ENDED_DAY = 3600.0
"""Seconds to wait for calls of the day: a run does not, it leaves the rest to the next."""
_KNOWN = re.compile(
    r"ACCESS_DENIED|RECORD_NOT_FOUND|MANDATORY_FIELDS_MISSING|INVALID_ID_ATTRIBUTE|REFERENCE_INVALID|QUERY_SYNTAX_ERROR"
)
"""Codes that a status line may hold beside values."""

Edition = Literal["growth", "professional", "enterprise", "ai"]

# edition: calls a minute, an hour, a day at most; free calls a day, and calls a day for each user
_EDITIONS: dict[Edition, tuple[int, int, int, int, int]] = {
    "growth": (30, 1_000, 24_000, 3_000, 200),
    "professional": (60, 4_000, 72_000, 6_000, 600),
    "enterprise": (90, 5_000, 120_000, 6_000, 1_000),
    "ai": (90, 5_000, 120_000, 6_000, 1_000),
}


class VtigerOneOptions(VtigerOptions):
    """`edition`, `users` and `boosters` (calls a day that were bought) say how many calls the account has. `tag` is
    what everybody in the model carries."""

    edition: Edition = "growth"
    users: int = Field(default=1, ge=1)
    boosters: int = Field(default=0, ge=0)
    tag: str | None = Field(default=None, min_length=1, max_length=50, pattern=r"^[^,\s][^,]*$")


class Client:
    """The REST API: HTTP Basic, the operation in the path, forms with JSON inside."""

    def __init__(self, url: str, user: str, access_key: str, timeout: float, meter: Meter) -> None:
        base = url.rstrip("/")
        self._http = Http(
            "vtiger_one", base if "/restapi/" in base else base + _API, meter, auth=(user, access_key), timeout=timeout
        )
        self._meter = meter
        self._user: str | None = None

    async def get(self, operation: str, **parameters: str) -> Any:
        return self._result(await self._http.request("GET", f"/{operation}", params=parameters, expect=_ANSWERS))

    async def post(self, operation: str, **parameters: str) -> Any:
        return self._result(await self._http.request("POST", f"/{operation}", data=parameters, expect=_ANSWERS))

    async def user(self) -> str | None:
        if self._user is None:
            try:
                self._user = str((await self.get("me"))["id"])
            except (Refused, KeyError, TypeError):
                raise Retryable("no_user", "vtiger_one does not say who is logged in") from None
        return self._user

    async def close(self) -> None:
        await self._http.close()

    def _result(self, response: httpx.Response) -> Any:
        day_left = _number(response, "X-RateLimit-Remaining")
        if response.status_code == 429:
            if day_left == 0:
                raise RateLimited(_ENDED_DAY)
            raise RateLimited(_number(response, "Retry-After") or _reset(response))
        if _number(response, "X-FloodControl-Remaining") == 0:
            # others use the account, too
            self._meter.pause(_reset(response) or 0.0)
        if response.status_code != 200:
            raise _refused(response)
        answer = body(response)
        if not isinstance(answer, dict) or "success" not in answer:
            raise Retryable("not_json")
        if not answer["success"]:
            raise _refused(response)
        return answer.get("result")


_ANSWERS = (400, 404, 409, 422, 429)


class VtigerOne(VtigerModule):
    """One module of an instance in the cloud."""

    tool: ClassVar[str] = "vtiger_one"
    options_model = VtigerOneOptions

    def __init__(self, target: Target) -> None:
        url, user, access_key = credentials("vtiger_one", *_ADDRESS)
        options: VtigerOneOptions = target.options
        self._tag = options.tag
        super().__init__(target, Client(url, user, access_key, options.timeout_seconds, target.meter))

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        if not isinstance(options, VtigerOneOptions):
            return Limits(rows=PAGE)
        minute, hour, most, free, per_user = _EDITIONS[options.edition]
        day = min(most, free + options.users * per_user) + options.boosters
        return Limits(rows=PAGE, rates=(Rate(minute, 60), Rate(hour, 3600)), calls_per_day=day)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        lookups = -(-adds // limits.rows)
        tags = adds + changes if isinstance(options, VtigerOneOptions) and options.tag else 0
        # describe, opt-outs, and who we are when records are made
        return 2 + bool(adds) + lookups + adds + changes + removals + tags

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        async for told in super().send(batch):
            if self._tag is None or told.status != "accepted":
                yield told
                continue
            try:
                await self._client.post("tags_add", id=told.destination_id or "", tags=_json([self._tag]))
                yield told
            except Refused as refused:
                row = next(row for row in batch.rows if row.key == told.key)
                yield outcome(row, refused)

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        if self._tag is None:
            async for told in super().remove(batch):
                yield told
            return
        for row in batch.rows:
            yield await self._untag(row, self._tag)

    async def _untag(self, row: Row, tag: str) -> Outcome:
        try:
            await self._client.post("tags_delete", id=row.destination_id or "", tags=_json([tag]), delete_all="0")
            return Outcome(row.key, "accepted")
        except Refused as refused:
            return outcome(row, refused)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _refused(response: httpx.Response) -> Refused:
    """What a failure says: in `error`, or in the status line, which may quote values."""
    try:
        told = orjson.loads(response.content)
        error = told.get("error") if isinstance(told, Mapping) else None
    except orjson.JSONDecodeError:
        error = None
    if isinstance(error, Mapping) and error.get("code") is not None:
        return Refused(str(error["code"]), str(error.get("message") or ""))
    reason = response.reason_phrase
    known = _KNOWN.search(reason)
    return Refused(known[0] if known else f"http_{response.status_code}", reason)


def _number(response: httpx.Response, name: str) -> float | None:
    try:
        return float(response.headers.get(name, ""))
    except ValueError:
        return None


def _reset(response: httpx.Response) -> float | None:
    """Seconds until the minute is over; the document shows a moment, with a digit too many to be sure of."""
    value = _number(response, "X-FloodControl-Reset")
    if value is None:
        return None
    return min(60.0, max(0.0, value - time.time() if value > 1e9 else value))
