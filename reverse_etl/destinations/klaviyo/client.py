"""Klaviyo's protocol: JSON:API, a revision in a header, a rate of its own for every endpoint.

Facts from the vendor's OpenAPI document, revision 2026-07-15, and its page on rate limits: fixed windows of a second
(burst) and a minute (steady) per account and endpoint, 429 with Retry-After; errors are `{"errors": [{code, title,
detail, source: {pointer}}]}`. Titles and details quote values: only the code and the pointer are read.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from reverse_etl.destination import Outcome, Row
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, RateLimited, Rejected, Retryable
from reverse_etl.http import Http, body
from reverse_etl.limits import Rate
from reverse_etl.pace import Meter

KEY = "KINSHIP_KLAVIYO_KEY"
SMALL = (Rate(3, 1), Rate(60, 60))
MEDIUM = (Rate(10, 1), Rate(150, 60))
LARGE = (Rate(75, 1), Rate(750, 60))
_RATES = {
    "GET profiles": LARGE,
    "PATCH profiles": LARGE,
    "POST profile-import": LARGE,
    "POST profile-bulk-import-jobs": MEDIUM,
    "GET profile-bulk-import-jobs": MEDIUM,
    "POST profile-merge": MEDIUM,
    "GET lists": LARGE,
    "POST lists": MEDIUM,
    "DELETE lists": MEDIUM,
    "POST profile-subscription-bulk-create-jobs": LARGE,
    "POST profile-subscription-bulk-delete-jobs": LARGE,
    "POST event-bulk-create-jobs": MEDIUM,
    "POST data-privacy-deletion-jobs": SMALL,
}
_TYPE = "application/vnd.api+json"
_PAGE = 100
_FILTER_BYTES = 5_000
"""A filter travels in the URL, and web servers refuse URLs beyond 8 KB."""
_BODY_BYTES = 5_000_000
_UNSAFE = re.compile(r'["\\\x00-\x1f]')
_POLLS_THAT_MAY_FAIL = 5

Item = TypeVar("Item", bound=Mapping[str, Any])


class Client:
    """Calls to one account. Raises NotConfigured without a key."""

    def __init__(self, meter: Meter, revision: str, timeout: float) -> None:
        (key,) = credentials("klaviyo", KEY)
        headers = {"Authorization": f"Klaviyo-API-Key {key}", "revision": revision, "Accept": _TYPE}
        address = setting("KINSHIP_KLAVIYO_URL", "https://a.klaviyo.com")
        self._http = Http(
            "klaviyo", f"{address.rstrip('/')}/api", meter, headers=headers, timeout=timeout, explain=error_code
        )
        self._meters: dict[str, Meter] = {}

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        params: Mapping[str, Any] | None = None,
        expect: tuple[int, ...] = (),
    ) -> httpx.Response:
        """One call at the endpoint's pace; `expect` as in `Http.request`."""
        endpoint = f"{method} {path.split('/')[1]}"
        if endpoint not in self._meters:
            self._meters[endpoint] = Meter(_RATES[endpoint])
        await self._meters[endpoint].call()
        arguments: dict[str, Any] = {}
        if content is not None:
            arguments = {"content": encoded(content), "headers": {"Content-Type": _TYPE}}
        response = await self._http.request(method, path, params=params, expect=(403, *expect), **arguments)
        if response.status_code == 403:
            raise AuthenticationError(f"klaviyo's key has no right to {endpoint} (HTTP 403): give {KEY} its scope")
        return response

    async def pages(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The records of a collection, page after page."""
        cursor: str | None = None
        while True:
            page = {**params, "page[size]": _PAGE, **({"page[cursor]": cursor} if cursor else {})}
            answer = body(await self.call("GET", path, params=page))
            for record in answer["data"]:
                yield record
            following = (answer.get("links") or {}).get("next")
            if not following:
                return
            cursor = parse_qs(urlsplit(following).query).get("page[cursor]", [""])[0]

    async def profiles(
        self, attribute: str, values: Sequence[str], *, path: str = "/profiles", subscriptions: bool = False
    ) -> dict[str, list[dict[str, Any]]]:
        """The profiles (of a list, by `path`) that have one of the values; by value, addresses in lower case."""
        found: dict[str, list[dict[str, Any]]] = {}
        for wanted in _filters(attribute, values):
            params = {"filter": wanted} | ({"additional-fields[profile]": "subscriptions"} if subscriptions else {})
            async for profile in self.pages(path, params):
                value = str(profile["id"] if attribute == "id" else profile["attributes"].get(attribute) or "")
                found.setdefault(folded(attribute, value), []).append(profile)
        return found

    async def finished(self, job: str, poll_seconds: float, patience_seconds: float) -> dict[str, Any]:
        """The attributes of a bulk import job that has ended. Raises Retryable when it was cancelled or takes too
        long: to send the same profiles again does no harm."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience_seconds
        failures = 0
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                attributes: dict[str, Any] = body(await self.call("GET", f"/profile-bulk-import-jobs/{quote(job)}"))[
                    "data"
                ]["attributes"]
                failures = 0
                if attributes["status"] == "complete":
                    return attributes
                if attributes["status"] == "cancelled":
                    raise _Cancelled("job_cancelled", "klaviyo cancelled the import job")
            except _Cancelled:
                raise
            except RateLimited as limited:
                await asyncio.sleep(limited.retry_after or poll_seconds)
            except Retryable:
                # the job goes on whether we hear of it or not
                failures += 1
                if failures >= _POLLS_THAT_MAY_FAIL:
                    raise
            if clock() > deadline:
                raise Retryable("job_unfinished", "klaviyo has not ended the import job in time")

    async def submit(
        self,
        path: str,
        records: Sequence[tuple[Row, Item]],
        envelope: Callable[[Sequence[Item]], dict[str, Any]],
        array: str,
    ) -> tuple[httpx.Response | None, Sequence[tuple[Row, Item]], list[Outcome]]:
        """POST the items of all rows; a row that a 4xx blames by its place is left out, and the others sent again.

        Returns the answer (None: no row was left), the rows it is about, and the outcomes of the others.
        """
        refused: list[Outcome] = []
        while records:
            content = envelope([item for _, item in records])
            response = await self.call("POST", path, content=content, expect=(400, 409, 422))
            if response.is_success:
                return response, records, refused
            blamed = {}
            for error in errors_of(response):
                place = row_place(error, array)
                if place is None or place >= len(records):
                    raise Rejected(error_code(response) or f"http_{response.status_code}")
                blamed[place] = code_of(error)
            if not blamed:
                raise Rejected(f"http_{response.status_code}")
            refused += [Outcome(records[place][0].key, "rejected", error_class=code) for place, code in blamed.items()]
            records = [record for place, record in enumerate(records) if place not in blamed]
        return None, (), refused

    async def close(self) -> None:
        await self._http.close()


class _Cancelled(Retryable):
    """The job ended without doing its work."""


def encoded(content: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def parts(records: Sequence[tuple[Row, Item]]) -> Iterator[list[tuple[Row, Item]]]:
    """Runs of records that fit into 5 MB, envelope included."""
    part: list[tuple[Row, Item]] = []
    size = 0
    for record in records:
        length = len(encoded(record[1])) + 1
        if part and size + length > _BODY_BYTES - 1_000:
            yield part
            part, size = [], 0
        part.append(record)
        size += length
    if part:
        yield part


def folded(attribute: str, value: str) -> str:
    """A value as it is compared: addresses without case."""
    return value.strip().lower() if attribute == "email" else value.strip()


def errors_of(response: httpx.Response) -> list[Mapping[str, Any]]:
    try:
        errors = response.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return []
    return [error for error in errors if isinstance(error, Mapping)]


def error_code(response: httpx.Response) -> str | None:
    """The first error's code."""
    return next((code_of(error) for error in errors_of(response)), None)


def code_of(error: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", str(error.get("code", "invalid")).lower())[:40] or "invalid"


def row_place(error: Mapping[str, Any], array: str) -> int | None:
    """The place in an array that an error's pointer names, as `/data/attributes/profiles/data/3/attributes/email`."""
    pointer = str((error.get("source") or {}).get("pointer") or "")
    match = re.search(rf"/{re.escape(array)}/data/(\d+)(?:/|$)", pointer)
    return int(match[1]) if match else None


def _filters(attribute: str, values: Sequence[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for value in values:
        if _UNSAFE.search(value):
            # how a quote is written inside a filter is documented nowhere
            raise Rejected("unsafe_key", "a key with a quote or a backslash cannot be looked up in klaviyo")
        length = len(quote(value)) + 9
        if part and (len(part) == _PAGE or size + length > _FILTER_BYTES):
            yield f"any({attribute},[{','.join(part)}])"
            part, size = [], 0
        part.append(f'"{value}"')
        size += length
    if part:
        yield f"any({attribute},[{','.join(part)}])"
