"""Vtiger, open source 8.x, through its webservice (`webservice.php`); see `reverse_etl/vtiger.py` for its records.

What shapes this file: errors are HTTP 200 with `success: false`; sessions end at any time; the login is a challenge
that a second process of the same user takes away. Tags exist on Vtiger One only: here a segment is a field (`cf_...`)
that the sync model fills.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from reverse_etl.destination import CheckResult, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable
from reverse_etl.http import certificates, retry_after, unlogged
from reverse_etl.limits import Limits, Options
from reverse_etl.vtiger import Refused, VtigerModule, VtigerOptions

_SESSION_ENDED = frozenset({"INVALID_SESSIONID", "SESSION_EXPIRED", "SESSIONID_INVALID", "AUTHENTICATION_REQUIRED"})
_CREDENTIALS_REFUSED = frozenset(
    {"INVALID_AUTH_TOKEN", "AUTHENTICATION_FAILURE", "INVALID_USER_CREDENTIALS", "ACCESSKEY_UNDEFINED"}
)
_TRANSIENT = frozenset({"DATABASE_QUERY_ERROR", "INTERNAL_SERVER_ERROR", "UNKNOWN_ERROR"})
_SCRIPT = "/webservice.php"


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

    async def user(self) -> str | None:
        return self.user_id

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
        except Refused as refused:
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
            except Refused as refused:
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
            raise Refused(str(told.get("code", "UNKNOWN")), str(told.get("message") or ""))
        return body.get("result")


class Vtiger(VtigerModule):
    """One module of a Vtiger of your own."""

    tool: ClassVar[str] = "vtiger"

    def __init__(self, target: Target) -> None:
        url, user, access_key = credentials(
            "vtiger", "KINSHIP_VTIGER_URL", "KINSHIP_VTIGER_USER", "KINSHIP_VTIGER_ACCESS_KEY"
        )
        options: VtigerOptions = target.options
        self._service = Client(url, user, SecretStr(access_key), options.timeout_seconds, target.meter.call)
        super().__init__(target, self._service)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        lookups = -(-adds // limits.rows)
        # getchallenge, login, describe, opt-outs
        return 4 + lookups + adds + changes + removals

    async def check(self) -> CheckResult:
        result = await super().check()
        return replace(result, details={**result.details, "version": self._service.version or ""})
