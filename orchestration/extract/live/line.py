"""The line to a vendor: dlt's HTTP session, in the vendor's pace, patient with it, and counted.

dlt's own retries read no `Retry-After: 2.0` (Shopify's), give a 429 as few tries as an error, and count nothing.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from dlt.sources.helpers.requests.session import Session
from requests import PreparedRequest, Response
from requests.exceptions import ChunkedEncodingError, ConnectionError, ContentDecodingError, Timeout
from tenacity import RetryCallState, Retrying, retry_if_exception_type

LOST = (ConnectionError, Timeout, ChunkedEncodingError, ContentDecodingError)


@dataclass(frozen=True)
class Rate:
    """At most `calls` in any window of so many seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Patience:
    """How long to bear with a vendor before the table is left for the next run.

    `tries` of a call that fails; waits between them double from `first` seconds to `longest`. Throttling (429) is no
    failure and costs no try, but in all not more than `throttled` seconds for one call.
    """

    tries: int = 6
    first: float = 0.5
    longest: float = 60.0
    throttled: float = 900.0


class Refused(Exception):
    """The vendor's answer is no; `status` of HTTP and its own error `code`, never its text (it may quote a person)."""

    def __init__(self, status: int, code: str | None = None) -> None:
        super().__init__(f"HTTP {status}{f', {code}' if code else ''}")
        self.status = status
        self.code = code


class Unavailable(Exception):
    """No answer in spite of all patience; the message says what was seen last."""


@dataclass
class Meter:
    """What the calls of one extraction came to. `throttled`: seconds waited for the vendor's limits."""

    calls: int = 0
    bytes: int = 0
    throttled: float = 0.0
    quota_left: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, calls: int = 0, bytes: int = 0, throttled: float = 0.0) -> None:
        with self.lock:
            self.calls += calls
            self.bytes += bytes
            self.throttled += throttled


class Pace:
    """Lets calls of all threads pass below every rate, and none during a pause that the vendor asked for."""

    def __init__(self, rates: Sequence[Rate], meter: Meter) -> None:
        self._windows = [(rate, deque[float](maxlen=rate.calls)) for rate in rates]
        self._free_at = 0.0
        self._meter = meter
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for a free slot and take it."""
        while (seconds := self._take()) > 0:
            self._meter.add(throttled=seconds)
            time.sleep(seconds)

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)

    def _take(self) -> float:
        with self._lock:
            now = time.monotonic()
            full = (times[0] + rate.seconds for rate, times in self._windows if len(times) == rate.calls)
            if (wait := max(self._free_at, *full, 0.0) - now) > 0:
                return wait
            for _, times in self._windows:
                times.append(now)
            return 0.0


class _Throttled(Exception):
    def __init__(self, seconds: float | None) -> None:
        super().__init__("throttled")
        self.seconds = seconds


class _Failed(Exception):
    """Worth another try."""


class Line(Session):
    """One thread's session for the API at `base`.

    `paces` are by the beginning of the path beyond the base; all that fit hold. `quota` names the header that tells
    how many calls are left, or `used/limit` (Salesforce: `api-usage=used/limit`); `reset` the one that tells when there
    are calls again. `throttles` are error codes by which the vendor says too many.
    """

    def __init__(
        self,
        base: str,
        paces: Mapping[str, Pace],
        meter: Meter,
        patience: Patience,
        quota: str | None = None,
        throttles: Collection[str] = (),
        reset: str | None = None,
    ) -> None:
        super().__init__(timeout=(10, 120), raise_for_status=False)
        self.headers["User-Agent"] = "kinship"
        self._base = urlsplit(base)
        self._paces = paces
        self._throttles = throttles
        self._meter = meter
        self._patience = patience
        self._quota = quota
        self._reset = reset

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """The answer, with its JSON read. Raises `Refused` and `Unavailable`."""
        address = urlsplit(request.url or "")
        if address[:2] != self._base[:2]:
            raise Refused(0, "its next page lies at another address")  # credentials go nowhere else
        kwargs["allow_redirects"] = False
        request.hooks["response"] = []  # dlt's would raise an error with the address before the status is looked at
        path = address.path.removeprefix(self._base.path).lstrip("/")
        paces = [pace for beginning, pace in self._paces.items() if path.startswith(beginning)]
        waits = _Waits(self._patience, paces)
        retrying = Retrying(
            retry=retry_if_exception_type((*LOST, _Failed, _Throttled)),
            stop=waits.is_over,
            wait=waits.seconds,
            sleep=waits.sleep,
            reraise=True,
        )
        try:
            response: Response = retrying(self._once, request, paces, kwargs)
        except _Throttled:
            raise Unavailable("it throttles us (HTTP 429), and goes on with it") from None
        except _Failed as error:
            raise Unavailable(str(error)) from None
        except LOST as error:
            raise Unavailable(f"no connection ({type(error).__name__})") from None
        return response

    def _once(self, request: PreparedRequest, paces: Sequence[Pace], kwargs: dict[str, Any]) -> Response:
        for pace in paces:
            pace.wait()
        self._meter.add(calls=1)
        response: Response = super().send(request, **kwargs)  # type: ignore[no-untyped-call]
        self._meter.add(bytes=len(response.content))
        self._read_quota(response)
        status = response.status_code
        if status == 429:
            raise _Throttled(retry_after(response, self._reset))
        if status >= 500 or status == 408:
            raise _Failed(f"HTTP {status}")
        try:
            answer = orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError:
            if status < 300:
                raise _Failed(f"HTTP {status} and no JSON") from None
            answer = None
        if status >= 300:
            code = error_code(answer)
            if code in self._throttles:
                raise _Throttled(None)
            raise Refused(status, code)
        response.json = lambda **_: answer  # type: ignore[method-assign]
        return response

    def _read_quota(self, response: Response) -> None:
        value = response.headers.get(self._quota, "") if self._quota else ""
        if match := re.fullmatch(r"(?:api-usage=)?(\d+)/(\d+)(?:[;,].*)?", value):
            self._meter.quota_left = int(match[2]) - int(match[1])
        elif value.isdigit():
            self._meter.quota_left = int(value)


class _Waits:
    """The waits between the tries of one call."""

    def __init__(self, patience: Patience, paces: Sequence[Pace]) -> None:
        self._patience = patience
        self._paces = paces
        self._failures = 0
        self._throttled = 0.0

    def is_over(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _Throttled):
            return self._throttled + (error.seconds or 0.0) > self._patience.throttled
        self._failures += 1
        return self._failures >= self._patience.tries

    def seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        doubled = min(self._patience.longest, self._patience.first * 2 ** max(self._failures - 1, 0))
        if not isinstance(error, _Throttled):
            return float(doubled * (0.5 + random.random() / 2))  # noqa: S311 - no secret
        wait = doubled if error.seconds is None else error.seconds
        self._throttled += max(wait, 0.05)
        for pace in self._paces[-1:]:
            pace.pause(wait)  # for all threads; the next try waits there
        return 0.0 if self._paces else wait

    def sleep(self, seconds: float) -> None:
        if seconds:
            time.sleep(seconds)


def retry_after(response: Response, reset: str | None = None) -> float | None:
    """Seconds to wait: of the header Retry-After, whether it gives seconds or a date, or else to the moment (seconds
    since 1970) in the header `reset`. None when neither says anything."""
    value = response.headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(KeyError, ValueError, TypeError):
        sent = parsedate_to_datetime(response.headers["Date"])  # the vendor's clock, not ours
        if value or reset is None:
            return float(max(0.0, (parsedate_to_datetime(value) - sent).total_seconds()))
        return max(0.0, float(response.headers[reset]) - sent.timestamp())
    return None


def error_code(answer: Any) -> str | None:
    """The vendor's code in a JSON error, where it has one: a single word, as texts may quote a person."""
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return None
    for key in ("code", "errorCode", "category", "error", "errors", "status", "type"):
        value = answer.get(key)
        if isinstance(value, dict | list):
            value = error_code(value)
        if isinstance(value, str | int) and re.fullmatch(r"[A-Za-z][\w.-]{1,59}|\d{1,7}", str(value)):
            return str(value)
    return None
