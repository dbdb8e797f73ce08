"""HTTP to a destination: paced, never logged, every failure turned into the error that says what to do next."""

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Rejected, Retryable
from reverse_etl.pace import Meter

_ours: ContextVar[bool] = ContextVar("ours", default=False)


class _NotOurs(logging.Filter):
    """httpx logs the URL of each call, and ours hold keys; the calls of other programs are none of our business."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


# httpcore's debug log has the status line and headers of answers, where some tools quote values
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_NotOurs())


@contextmanager
def unlogged() -> Iterator[None]:
    """Calls made inside do not appear in httpx's log."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


@cache
def certificates() -> ssl.SSLContext:
    """The authorities we trust; reading them takes 65 ms, so once per process."""
    return httpx.create_ssl_context()


class Http:
    """An `httpx.AsyncClient` for one tool. `name` is the tool's, for messages.

    Answers of 2xx are returned. 429 raises RateLimited with the wait of Retry-After; 401 and 403 AuthenticationError;
    5xx, timeouts and lost connections Retryable (the effect is unknown); 413 Rejected as `too_large`; any other status
    Rejected with the class that `explain` reads from the answer, or `http_<status>`. Redirects are not followed.
    A destination that must see one of these answers itself names its status in `expect`.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        meter: Meter,
        *,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | tuple[str, str] | None = None,
        timeout: float = 30.0,
        explain: Callable[[httpx.Response], str | None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._meter = meter
        self._explain = explain
        try:
            self._client = httpx.AsyncClient(
                base_url=base_url, headers=headers, auth=auth, timeout=timeout, transport=transport,
                verify=certificates(), follow_redirects=False,
            )  # fmt: skip
        except (httpx.InvalidURL, ValueError, TypeError):
            raise ConfigurationError(f"the address of {name} is not a URL (http:// or https://)") from None

    async def request(self, method: str, url: str, *, expect: tuple[int, ...] = (), **arguments: Any) -> httpx.Response:
        """One call, with httpx's own arguments (`json`, `data`, `params`, `content`, `headers`)."""
        await self._meter.call()
        try:
            with unlogged():
                response = await self._client.request(method, url, **arguments)
        except httpx.TimeoutException:
            raise Retryable("timeout") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise ConfigurationError(f"the address of {self.name} is not a URL (http:// or https://)") from None
        except httpx.TransportError as error:
            raise Retryable("connection", f"no connection to {self.name} ({type(error).__name__})") from None
        if response.is_success or response.status_code in expect:
            return response
        raise self._failure(response)

    def _failure(self, response: httpx.Response) -> Exception:
        status = response.status_code
        if status == 429:
            return RateLimited(retry_after(response))
        if status in (401, 403):
            return AuthenticationError(f"{self.name} refuses the credentials (HTTP {status})")
        if status >= 500 or status == 408:
            return Retryable(f"http_{status}")
        if 300 <= status < 400:
            return ConfigurationError(f"{self.name} sends us elsewhere (HTTP {status}): is its address right?")
        if status == 413:
            return Rejected("too_large")
        return Rejected((self._explain(response) if self._explain else None) or f"http_{status}")

    async def close(self) -> None:
        await self._client.aclose()


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of the header Retry-After, whether it gives seconds or a date; None when it says nothing."""
    value: str = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def body(response: httpx.Response) -> Any:
    """The JSON of an answer. Raises Retryable: a proxy or a warning in between is no answer of the tool."""
    try:
        return response.json()
    except ValueError:
        raise Retryable("not_json") from None
