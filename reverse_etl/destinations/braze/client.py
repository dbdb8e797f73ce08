"""Braze's protocol: a bearer key, an address per cluster, windows on the clock.

Every answer says when the window ends (`X-RateLimit-Reset`, seconds since 1970 in UTC) and none has a Retry-After
(docs: API rate limits). 404 is an unknown key as well (docs: Errors and responses).
"""

import time
from collections.abc import Sequence
from typing import Any

import httpx

from reverse_etl.environment import credentials
from reverse_etl.errors import AuthenticationError, RateLimited
from reverse_etl.http import Http, body, retry_after
from reverse_etl.limits import Rate
from reverse_etl.pace import Meter

URL, KEY = "KINSHIP_BRAZE_URL", "KINSHIP_BRAZE_KEY"
IDS = 50
"""Ids in one call of every endpoint that takes ids."""


class Client:
    """Calls to one workspace. Raises NotConfigured without address and key."""

    def __init__(self, meter: Meter, timeout: float, exports_per_minute: int) -> None:
        url, key = credentials("braze", URL, KEY)
        self._exports = Meter((Rate(exports_per_minute, 60),))
        headers = {"Authorization": f"Bearer {key}"}
        self._http = Http("braze", url.rstrip("/"), meter, headers=headers, timeout=timeout)

    async def call(self, method: str, path: str, *, expect: tuple[int, ...] = (), **arguments: Any) -> httpx.Response:
        """One call; `expect` as in `Http.request`. A 429 says how long the window is still closed."""
        response = await self._http.request(method, path, expect=(401, 404, 429, *expect), **arguments)
        if response.status_code == 429:
            raise RateLimited(_until_reset(response))
        if response.status_code in (401, 404):
            raise AuthenticationError(f"braze refuses the key (HTTP {response.status_code}): check {URL} and {KEY}")
        return response

    async def users(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The users that are there, by external_id. The export is slow, and has a pace of its own."""
        found = {}
        for start in range(0, len(ids), IDS):
            content = {
                "external_ids": list(ids[start : start + IDS]),
                "fields_to_export": sorted({"external_id", *fields}),
            }
            for user in await self._export(content):
                if user.get("external_id"):
                    found[str(user["external_id"])] = user
        return found

    async def users_with(self, email: str) -> list[str]:
        """The external ids of everybody with this address."""
        content = {"email_address": email, "fields_to_export": ["external_id"]}
        return [str(user["external_id"]) for user in await self._export(content) if user.get("external_id")]

    async def _export(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        await self._exports.call()
        users: list[dict[str, Any]] = body(await self.call("POST", "/users/export/ids", json=content)).get("users", [])
        return users

    async def close(self) -> None:
        await self._http.close()


def _until_reset(response: httpx.Response) -> float | None:
    try:
        # whole seconds: a second more is sure to lie in the next window
        return max(0.0, float(response.headers["X-RateLimit-Reset"]) - time.time()) + 1.0
    except (KeyError, ValueError):
        return retry_after(response)
