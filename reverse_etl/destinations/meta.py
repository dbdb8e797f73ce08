"""Meta (Facebook, Instagram) customer file custom audiences, by the Marketing API.

What shapes this file (Meta, "Customer file custom audiences" and reference `custom-audience/users`, v25.0):

* `POST` adds and `DELETE` removes at most 10,000 rows a call: `session` and `payload {schema, is_raw, data}`, a cell
  that is not known is `""`; `is_raw` says that each key has a column of its own (so does Meta's SDK). The audience
  cannot be read, so nothing is looked up; adding somebody twice changes nothing.
* A good answer has `num_received` and `num_invalid_entries`, but does not say which entries were invalid
  (`invalid_entry_samples` holds samples). The valid ones are in. A batch with invalid entries is therefore halved
  here, not by the engine: rows that are in must stay claimed until they have their outcome, or a withdrawal in
  between would find nothing to remove.
* Errors are HTTP 400 (some 403) with a code in the body, throttling too: 4, 17, 32, 341, 613, 80000-80014 ("Rate
  limits"), with the minutes to wait in `X-Business-Use-Case-Usage`.
* One matching column removes a person, whatever else was sent with it. So the key alone (`EMAIL`, `PHONE`,
  `EXTERN_ID` or `MADID`) takes people back. Another column that changes is added; what it was before stays matched
  until the person is removed.
* An audience flagged for its content (`operation_status` 471, subcode 1713230) takes neither additions nor removals.

Values leave as SHA-256 by Meta's rules (`reverse_etl.hashing`); what cannot be normalised is sent as unknown.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import httpx
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Row, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Rejected, Retryable
from reverse_etl.hashing import META, for_meta
from reverse_etl.http import Http, body, retry_after
from reverse_etl.limits import Limits, Options, Rate
from reverse_etl.rendering import for_text

_KEYS = ("EMAIL", "PHONE", "EXTERN_ID", "MADID")
_THROTTLED = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
_LOGGED_OUT = frozenset({102, 190})
_FORBIDDEN = frozenset({3, 10, *range(200, 300)})
_TRANSIENT = frozenset({1, 2, 2650})
_FLAGGED = 1713230
_NOT_THERE = 33
_FLAGGED_STATUS = 471
_IN_THE_BODY = (400, 401, 403, 404)
"""Statuses whose meaning is the error code in the body."""


class MetaOptions(Options):
    """`api_version`: Meta retires versions after about two years."""

    api_version: str = Field(default="v25.0", pattern=r"^v\d+\.\d+$")
    timeout_seconds: float = Field(default=60.0, gt=0)


class Meta(Destination):
    """One custom audience: the sync's `object` is its id."""

    options_model = MetaOptions
    # membership has no fields to update
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (token,) = credentials("meta", "KINSHIP_META_ACCESS_TOKEN")
        secret = setting("KINSHIP_META_APP_SECRET", "")
        self._proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest() if secret else None
        self._check_target()
        options: MetaOptions = target.options
        self._schema = [target.key, *(name for name in target.fields if name != target.key)]
        self._http = Http(
            "meta",
            f"{setting('KINSHIP_META_URL', 'https://graph.facebook.com').rstrip('/')}/{options.api_version}/",
            target.meter,
            headers={"Authorization": f"Bearer {token}"},
            timeout=options.timeout_seconds,
        )

    def _check_target(self) -> None:
        target = self.target
        if target.object and not target.object.isdecimal():
            raise ConfigurationError(f"{target.sync}: the object of a sync to meta is the id of an audience, in digits")
        if target.key and target.key not in _KEYS:
            raise ConfigurationError(
                f"{target.sync}: the key {target.key!r} does not identify a person at meta; "
                f"a removal sends the key alone, so it is one of {', '.join(_KEYS)}"
            )
        if unknown := sorted(set(target.fields) - set(META)):
            raise ConfigurationError(
                f"{target.sync}: meta has no column {unknown[0]!r}; it has {', '.join(META)} "
                "(begin a column with _ to keep it in the house)"
            )

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # "Rate limits", custom audience, the lower tier: 5,000 calls an hour (and 40 for each active audience)
        return Limits(rows=10_000, rates=(Rate(5_000, 3600.0),))

    @classmethod
    def ignores_case(cls, key: str) -> bool:
        return key != "EXTERN_ID"

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_text(column, kind)

    async def check(self) -> CheckResult:
        if not self.target.object:
            await self._call("GET", "me", params={"fields": "id"})
            return CheckResult("meta", "ok", "the access token is valid")
        audience = await self._audience()
        return CheckResult("meta", "ok", f"the audience is there, its status is {audience['status']}", audience)

    async def prepare(self) -> None:
        await self._audience()

    async def _audience(self) -> dict[str, str]:
        answer = await self._call("GET", self.target.object, params={"fields": "subtype,operation_status"})
        subtype, status = answer.get("subtype"), (answer.get("operation_status") or {}).get("code")
        if subtype not in (None, "CUSTOM"):
            raise ConfigurationError(
                f"meta's audience {self.target.object} is no customer list (its subtype: {subtype})"
            )
        if status == _FLAGGED_STATUS:
            raise self._flagged()
        return {"subtype": str(subtype), "status": str(status)}

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        rows, data = [], []
        for row, values in batch.records():
            cells = [for_meta(column, values[column]) or "" for column in self._schema]
            if not cells[0]:
                yield Outcome(row.key, "rejected", error_class=f"invalid_{self.target.key.lower()}")
                continue
            rows.append(row)
            data.append(cells)
        async for outcome in self._deliver("POST", self._schema, rows, data):
            yield outcome

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        rows, data = [], []
        for row in batch.rows:
            cell = for_meta(self.target.key, row.key)
            if cell is None:
                # it was never taken
                yield Outcome(row.key, "accepted")
                continue
            rows.append(row)
            data.append([cell])
        async for outcome in self._deliver("DELETE", [self.target.key], rows, data):
            yield outcome

    async def close(self) -> None:
        await self._http.close()

    async def _deliver(
        self, method: str, schema: Sequence[str], rows: Sequence[Row], data: Sequence[list[str]]
    ) -> AsyncIterator[Outcome]:
        """One call, and two for the halves of a batch that has invalid entries among valid ones."""
        if not rows:
            return
        answer = await self._call(
            method,
            f"{self.target.object}/users",
            json={
                "session": {
                    "session_id": secrets.randbits(62),
                    "batch_seq": 1,
                    "last_batch_flag": True,
                    "estimated_num_total": len(rows),
                },
                "payload": {"schema": schema, "is_raw": True, "data": data},
            },
        )
        try:
            received, invalid = int(answer["num_received"]), int(answer["num_invalid_entries"])
        except (KeyError, TypeError, ValueError):
            raise Retryable("no_counts", "meta said yes without counting the entries") from None
        if received + invalid < len(rows):
            raise Retryable("not_received", "meta received fewer entries than were sent")
        if not invalid:
            for row in rows:
                yield Outcome(row.key, "accepted")
        elif invalid >= len(rows):
            for row in rows:
                yield Outcome(row.key, "rejected", error_class="invalid_entry")
        else:
            middle = len(rows) // 2
            for part in (slice(None, middle), slice(middle, None)):
                async for outcome in self._deliver(method, schema, rows[part], data[part]):
                    yield outcome

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        if self._proof:
            arguments["params"] = {**arguments.get("params", {}), "appsecret_proof": self._proof}
        response = await self._http.request(method, path, expect=_IN_THE_BODY, **arguments)
        answer = body(response)
        if response.is_success and isinstance(answer, dict):
            return answer
        raise self._failure(response, answer.get("error") if isinstance(answer, dict) else None)

    def _failure(self, response: httpx.Response, error: Any) -> Exception:
        """The error of an answer. Its messages may quote what was sent: only numbers are told."""
        error = error if isinstance(error, dict) else {}
        code, subcode = error.get("code"), error.get("error_subcode")
        if code in _THROTTLED:
            return RateLimited(_wait(response))
        if error.get("is_transient") or code in _TRANSIENT:
            return Retryable(f"meta_{code}")
        if code in _LOGGED_OUT or (code is None and response.status_code == 401):
            return AuthenticationError(
                f"meta refuses the access token (code {code}, subcode {subcode}): renew KINSHIP_META_ACCESS_TOKEN"
            )
        if subcode == _FLAGGED:
            return self._flagged()
        if subcode == _NOT_THERE:
            return ConfigurationError(
                f"{self.target.sync}: meta shows no audience {self.target.object} to this access token: "
                "check the object of the sync, and that the system user may manage the ad account"
            )
        if code in _FORBIDDEN or (code is None and response.status_code == 403):
            return AuthenticationError(
                f"meta forbids this to the access token (code {code}, subcode {subcode}): it needs the permission "
                "ads_management, the role of the ad account, and the terms of custom audiences accepted"
            )
        return Rejected(f"meta_{code}" if code is not None else f"http_{response.status_code}")

    def _flagged(self) -> ConfigurationError:
        return ConfigurationError(
            f"meta has flagged the audience {self.target.object} for its content and takes neither additions nor "
            "removals: appeal in Audience Manager, or make a new audience"
        )


def _wait(response: httpx.Response) -> float | None:
    """Seconds until calls are taken again: Retry-After, or the longest of the account's use cases, given in minutes."""
    waits = [retry_after(response)]
    try:
        usage = json.loads(response.headers.get("X-Business-Use-Case-Usage", "{}"))
        waits += [60.0 * case["estimated_time_to_regain_access"] for cases in usage.values() for case in cases]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return max((wait for wait in waits if wait), default=None)
