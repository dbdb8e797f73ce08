"""HubSpot's HTTP API: batches of records and memberships of lists, answers or typed errors.

Paths and shapes: HubSpot/HubSpot-public-api-spec-collection on GitHub, version 2026-03 of CRM Contacts, CRM Lists, CRM
Properties, Account Info and Communication Preferences Subscriptions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from reverse_etl.errors import AuthenticationError, RateLimited, Retryable
from reverse_etl.http import Http, body, retry_after
from reverse_etl.pace import Meter

VERSION = "2026-03"
BATCH = 100
"""Inputs of one batch call on records."""
_DAY = 86_400.0
_LOCKED, _TOO_MANY, _MIGRATING = 423, 429, 477
_PASSING = frozenset({"RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT", "LOCKED"})
# the constants in `"error":"..."` of a message "Property values were not valid: [...]": the message quotes values, so
# nothing else of it is read
_PROPERTY_ERRORS = (
    "INVALID_EMAIL", "INVALID_OPTION", "INVALID_DATE", "INVALID_INTEGER", "INVALID_LONG", "INVALID_DOUBLE",
    "INVALID_BOOLEAN", "INVALID_PHONE_NUMBER", "INVALID_FORMAT", "PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE",
    "DUPLICATE_UNIQUE_PROPERTY_VALUE", "REQUIRED_FIELD", "VALUE_TOO_LONG",
)  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """One of the `errors` of a 207: its class, and the inputs it names by trace id or by id."""

    error_class: str
    traces: frozenset[str]
    ids: frozenset[str]
    is_missing: bool
    """The record is not there."""
    is_passing: bool
    """The same input may do later."""


@dataclass(frozen=True)
class BatchAnswer:
    results: list[dict[str, Any]]
    refusals: list[Refusal] = field(default_factory=list)


class Client:
    """One account, by the access token of a private app."""

    def __init__(self, url: str, token: SecretStr, meter: Meter, timeout: float) -> None:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._http = Http("HubSpot", url, meter, headers=headers, timeout=timeout, explain=_explain)

    async def close(self) -> None:
        await self._http.close()

    async def account(self) -> dict[str, Any]:
        """`portalId`, `accountType` ..."""
        return await self._json("GET", f"/account-info/{VERSION}/details")

    async def properties(self, object: str) -> dict[str, dict[str, Any]]:
        """The object's properties by name. Raises Rejected when there is no such object."""
        answer = await self._json("GET", f"/crm/properties/{VERSION}/{object}")
        return {entry["name"]: entry for entry in answer["results"]}

    async def batch(self, object: str, verb: str, payload: Mapping[str, Any]) -> BatchAnswer:
        """`batch/upsert`, `update`, `create`, `read` or `archive`, with at most BATCH inputs."""
        response = await self._call("POST", f"/crm/objects/{VERSION}/{object}/batch/{verb}", json=payload)
        return BatchAnswer([]) if response.status_code == 204 else _batch_answer(response)

    async def read(
        self, object: str, ids: Sequence[str], properties: Sequence[str], id_property: str | None = None
    ) -> list[dict[str, Any]]:
        """The records that are there, of any number of ids (or of values of `id_property`).

        A record that was merged into another is answered by that other one, under its own id.
        """
        found: list[dict[str, Any]] = []
        for part in parts(ids, BATCH):
            payload: dict[str, Any] = {
                "inputs": [{"id": value} for value in part],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            if id_property is not None:
                payload["idProperty"] = id_property
            answer = await self.batch(object, "read", payload)
            if any(refusal.is_passing for refusal in answer.refusals):
                raise Retryable("read_incomplete")
            found += answer.results
        return found

    async def merge(self, object: str, merged: str, primary: str) -> str:
        """One record becomes part of another. The result has an id of its own, which is returned; both lead to it."""
        payload = {"objectIdToMerge": merged, "primaryObjectId": primary}
        return str((await self._json("POST", f"/crm/objects/{VERSION}/{object}/merge", json=payload))["id"])

    async def erase_contact(self, record: str) -> None:
        """GDPR deletion, by id: by the e-mail of somebody unknown it would put that address on a block list."""
        await self._call("POST", f"/crm/objects/{VERSION}/contacts/gdpr-delete", json={"objectId": record})

    async def search(self, object: str, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One page of a search."""
        answer = await self._json("POST", f"/crm/objects/{VERSION}/{object}/search", json=payload)
        return list(answer["results"])

    async def unsubscribed(self, emails: Sequence[str]) -> dict[str, str]:
        """Of at most BATCH addresses those that opted out of all e-mail, with the time (ISO 8601)."""
        path = f"/communication-preferences/{VERSION}/statuses/batch/unsubscribe-all/read"
        response = await self._call("POST", path, params={"channel": "EMAIL"}, json={"inputs": list(emails)})
        return {
            result["subscriberIdString"].lower(): status["timestamp"]
            for result in _batch_answer(response).results
            for status in result["wideStatuses"]
            if status["status"] == "UNSUBSCRIBED"
        }

    async def list_details(self, list_id: str) -> dict[str, Any]:
        """`processingType`, `objectTypeId`, `name` ... Raises Rejected when there is no such list."""
        answer = await self._json("GET", f"/crm/lists/{VERSION}/{list_id}")
        return dict(answer["list"])

    async def change_members(self, list_id: str, verb: str, ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """`add` or `remove` records: the ids that changed, and those that are no records (any more).

        An id that is in neither was a member (or none) already, or nothing was done: `members` can tell.
        """
        answer = await self._json("PUT", f"/crm/lists/{VERSION}/{list_id}/memberships/{verb}", json=list(ids))
        # the schema says recordsIdsAdded, the examples of the documentation recordIdsAdded
        names = ("recordsIdsAdded", "recordIdsAdded") if verb == "add" else ("recordIdsRemoved",)
        changed = {str(value) for name in names for value in answer.get(name) or ()}
        return changed, {str(value) for value in answer.get("recordIdsMissing") or ()}

    async def members(self, list_id: str, object_type: str, ids: Sequence[str]) -> set[str]:
        """Those of the records that are in the list."""
        found: set[str] = set()
        for part in parts(ids, BATCH):
            payload = {"inputs": [{"objectTypeId": object_type, "recordId": record} for record in part]}
            response = await self._call("POST", f"/crm/lists/{VERSION}/records/memberships/batch/read", json=payload)
            for result in _batch_answer(response).results:
                if any(str(entry["listId"]) == list_id for entry in result["recordListMemberships"]):
                    found.add(str(result["recordId"]))
        return found

    async def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer = body(await self._call(method, path, **arguments))
        if not isinstance(answer, dict):
            raise Retryable("unexpected_answer")
        return answer

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        expect = (403, _LOCKED, _TOO_MANY, _MIGRATING)
        response = await self._http.request(method, path, expect=expect, **arguments)
        status = response.status_code
        if status == 403:
            raise AuthenticationError(
                "HubSpot does not allow the call (HTTP 403): give the private app "
                + (", ".join(_missing_scopes(response)) or "the scopes it needs")
            )
        if status == _TOO_MANY:
            # the daily allowance comes back at midnight of the account's time zone: not worth waiting for
            raise RateLimited(_DAY if "DAILY" in str(_told(response).get("policyName", "")) else retry_after(response))
        if status in (_LOCKED, _MIGRATING):
            # "a delay of at least 2 seconds"; the account moves to another data centre
            raise RateLimited(retry_after(response) or (2.0 if status == _LOCKED else _DAY))
        return response


def parts(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Slices of at most `size`."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _batch_answer(response: httpx.Response) -> BatchAnswer:
    answer = body(response)
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise Retryable("unexpected_answer")
    return BatchAnswer(answer["results"], [_refusal(error) for error in answer.get("errors") or ()])


def _refusal(error: Mapping[str, Any]) -> Refusal:
    contexts = [error.get("context") or {}, *(inner.get("context") or {} for inner in error.get("errors") or ())]
    return Refusal(
        error_class=_class_of(error),
        traces=frozenset(_named(contexts, "objectWriteTraceId")),
        ids=frozenset(value.lower() for value in _named(contexts, "ids", "id")),
        is_missing=error.get("category") == "OBJECT_NOT_FOUND",
        is_passing=error.get("category") in _PASSING,
    )


def _named(contexts: Sequence[Mapping[str, Any]], *names: str) -> Iterator[str]:
    for context in contexts:
        for name in names:
            value = context.get(name) or ()
            yield from ([value] if isinstance(value, str) else map(str, value))


def _class_of(error: Mapping[str, Any]) -> str:
    """A word for the ledger: the most exact constant that the error holds, never its message."""
    inner = error.get("errors") or ()
    message = " ".join(str(entry.get("message", "")) for entry in (error, *inner))
    for code in _PROPERTY_ERRORS:
        if f'"{code}"' in message:
            return code.lower()
    for code in (*(entry.get("code") for entry in inner), error.get("category")):
        if isinstance(code, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", code):
            return "already_exists" if code == "CONFLICT" else code.lower()
    return "refused"


def _told(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _explain(response: httpx.Response) -> str | None:
    told = _told(response)
    return _class_of(told) if told else None


def _missing_scopes(response: httpx.Response) -> list[str]:
    told = _told(response)
    contexts = [entry.get("context") or {} for entry in (told, *(told.get("errors") or ()))]
    return sorted(scope for scope in _named(contexts, "missingScopes") if re.fullmatch(r"[a-z0-9._-]+", scope))
