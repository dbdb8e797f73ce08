"""A webhook: JSON by POST to an address of yours, signed.

A call carries an array of rows, or with the option `one_per_call` one row as an object. A row is what the file feed
has: `_operation` (`upsert` with the fields; `remove` and `erase` with the key alone), then the fields.

    Kinship-Sync: sync_webhook__people
    Kinship-Timestamp: 1767225600                  seconds since 1970 when the call was made
    Kinship-Signature: v1=<hex>                    HMAC-SHA256 of "<timestamp>.<body>" under the secret
    Idempotency-Key: <hex>                         the same when the same rows are sent again after a lost answer

The key of idempotency is a hash of the sync, the batch and the body, not of the row alone: a value that changes
and changes back has to arrive three times.

2xx is a yes to all rows, unless the answer is `{"results": [{"key", "status": "accepted" | "rejected", "error"}]}`:
then to those that it names so, and rows that it does not name are sent again. Other answers as in `http.py`, but for
404, 405 and 410, which say that the address is wrong (to a removal by `one_per_call`: that nothing is there).
"""

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, ClassVar

import httpx
import orjson
import pyarrow as pa
from pydantic import Field

from reverse_etl.addresses import Allowed, checked_transport
from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Operation, Outcome, Row, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, DestinationError, Rejected, SyncError
from reverse_etl.http import Http
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_json

_ALLOW = "KINSHIP_WEBHOOK_ALLOW"
_HINT = f"if that is meant, name the host or its network in {_ALLOW}"
_NOT_HERE = (404, 405, 410)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EXACT_DIGITS = 15
"""Decimal digits that every double keeps."""


class WebhookOptions(Options):
    """`endpoint`: the address and the secret are read from KINSHIP_WEBHOOK_<ENDPOINT>_URL and ..._SECRET. `concurrency`
    calls are under way at the same time."""

    endpoint: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    one_per_call: bool = False
    timeout_seconds: float = Field(default=30.0, gt=0)
    batch_size: int | None = Field(default=None, gt=0, le=10_000)
    concurrency: int | None = Field(default=None, gt=0, le=128)


class Webhook(Destination):
    """One address that takes rows."""

    options_model = WebhookOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: WebhookOptions = target.options
        prefix = "KINSHIP_WEBHOOK_" + (f"{options.endpoint.upper()}_" if options.endpoint else "")
        url, secret = credentials("webhook", f"{prefix}URL", f"{prefix}SECRET")
        self._secret_name = f"{prefix}SECRET"
        self._url_name = f"{prefix}URL"
        self._secret = secret.encode()
        self._one_per_call = options.one_per_call
        self._lanes = options.concurrency or 8
        if not re.match(r"https?://[^/]", url):
            raise ConfigurationError(f"{self._url_name} is not a URL (http:// or https://)")
        self._url = url
        allowed = Allowed.parse(setting(_ALLOW, ""), _ALLOW)
        self._http = Http(
            "webhook", "", target.meter,
            headers={"Content-Type": "application/json", "Kinship-Sync": target.sync or "check"},
            timeout=options.timeout_seconds,
            transport=checked_transport(allowed, _HINT, self._lanes),
        )  # fmt: skip

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        # what the receiver can take is not known: moderate, unless the options say more
        lanes = options.concurrency or 8
        if isinstance(options, WebhookOptions) and options.one_per_call:
            return Limits(rows=options.batch_size or 100)
        return Limits(rows=options.batch_size or 500, concurrency=lanes)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        if isinstance(options, WebhookOptions) and options.one_per_call:
            return adds + changes + removals
        return super().estimate_calls(object, options, limits, adds, changes, removals)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        precision = re.fullmatch(r"DECIMAL\((\d+),\d+\)", kind)
        if precision and int(precision[1]) > _EXACT_DIGITS:
            return f"{column}::varchar"
        return for_json(column, kind)

    async def check(self) -> CheckResult:
        """An empty array: every receiver can take it without doing anything."""
        try:
            await self._post(b"[]", "check")
        except Rejected as refused:
            told = f"reached; it refuses the empty array of this check ({refused.error_class}), which says nothing bad"
            return CheckResult("webhook", "ok", told)
        except DestinationError as error:
            return CheckResult("webhook", "failed", f"no answer ({error}): is {self._url_name} right?")
        return CheckResult("webhook", "ok", "reached, and the signed call was taken")

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._one_by_one(batch) if self._one_per_call else self._together(batch)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self.send(batch)

    async def _together(self, batch: Batch) -> AsyncIterator[Outcome]:
        response = await self._post(orjson.dumps(self._documents(batch), default=_plain), batch.id)
        results = _results(response)
        for row in batch.rows:
            if results is None:
                yield Outcome(row.key, "accepted")
            elif (outcome := results.get(row.key)) is not None:
                yield outcome

    async def _one_by_one(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Up to `concurrency` calls at a time. After a failure that is not a row's own, those under way end first."""
        waiting = deque(zip(batch.rows, self._documents(batch), strict=True))
        outcomes: list[Outcome] = []

        async def lane() -> None:
            try:
                while waiting:
                    outcomes.extend(await self._alone(batch, *waiting.popleft()))
            except SyncError:
                waiting.clear()
                raise

        ended = await asyncio.gather(*(lane() for _ in range(self._lanes)), return_exceptions=True)
        for outcome in outcomes:
            yield outcome
        failures = [failure for failure in ended if failure is not None]
        for failure in sorted(failures, key=lambda failure: isinstance(failure, DestinationError)):
            raise failure

    async def _alone(self, batch: Batch, row: Row, document: dict[str, Any]) -> list[Outcome]:
        try:
            response = await self._post(orjson.dumps(document, default=_plain), batch.id, gone=batch.table is None)
        except Rejected as refused:
            return [Outcome(row.key, "rejected", error_class=refused.error_class)]
        results = _results(response)
        if results is None:
            return [Outcome(row.key, "accepted")]
        return [results[row.key]] if row.key in results else []

    def _documents(self, batch: Batch) -> list[dict[str, Any]]:
        table = batch.table
        if table is None:
            operation = "erase" if batch.operation is Operation.ERASE else "remove"
            return [{"_operation": operation, self.target.key: row.key} for row in batch.rows]
        documents: list[dict[str, Any]] = table.add_column(0, "_operation", pa.repeat("upsert", len(table))).to_pylist()
        if self.target.on_null == "leave" and any(column.null_count for column in table.columns):
            return [{name: value for name, value in row.items() if value is not None} for row in documents]
        return documents

    async def _post(self, body: bytes, batch: str, *, gone: bool = False) -> httpx.Response:
        """One signed call; with `gone`, 404 and 410 are answers."""
        timestamp = str(int(time.time()))
        signature = hmac.new(self._secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "Kinship-Timestamp": timestamp,
            "Kinship-Signature": f"v1={signature}",
            "Idempotency-Key": hashlib.sha256(f"{self.target.sync}\0{batch}\0".encode() + body).hexdigest(),
        }
        try:
            response = await self._http.request("POST", self._url, content=body, headers=headers, expect=_NOT_HERE)
        except AuthenticationError as error:
            raise AuthenticationError(f"{error}: is {self._secret_name} the receiver's?") from None
        if response.status_code in _NOT_HERE and not (gone and response.status_code != 405):
            raise ConfigurationError(f"webhook answers HTTP {response.status_code}: is {self._url_name} right?")
        return response

    async def close(self) -> None:
        await self._http.close()


def _plain(value: Any) -> Any:
    """What JSON has no form for, inside lists and structs."""
    if isinstance(value, Decimal):
        return float(value) if len(value.as_tuple().digits) <= _EXACT_DIGITS else str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _results(response: httpx.Response) -> dict[str, Outcome] | None:
    """The outcome of each row that the answer names; None when it says nothing about rows."""
    try:
        told = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("results"), list):
        return None
    outcomes = {}
    for result in told["results"]:
        if not isinstance(result, dict):
            continue
        key = str(result.get("key")).strip(" ")
        if result.get("status") == "accepted":
            outcomes[key] = Outcome(key, "accepted")
        elif result.get("status") == "rejected":
            error = result.get("error")
            code = error if isinstance(error, str) and _CODE.fullmatch(error) else "rejected"
            outcomes[key] = Outcome(key, "rejected", error_class=code)
    return outcomes
