"""Braze on loopback: users, events and a subscription group, and the cases of all three.

75 objects and 4 MB a call; refusals inside a success, by array and place; text cut at 255 characters without a word;
events without any idempotency; windows on the clock told by `X-RateLimit-Reset`, without a Retry-After; ids that were
renamed and still lead to their user.
"""

import json
import re
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from servers.base import Answer, Request, ToolServer
from servers.case import Case

KEY = "b1a2-braze-key"
GROUP = "group-1"
_STANDARD = {"email", "first_name", "last_name", "phone", "country", "email_subscribe", "dob"}


class BrazeServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.group: dict[str, str] = {}
        """`subscribed` or `unsubscribed`, by external id; who is not here is unknown."""
        self.renamed: dict[str, str] = {}
        """Deprecated external ids, and the primary ones."""
        self.unsubscribes: list[tuple[str, str]] = []
        self.deleted: set[str] = set()
        self.data_points = 0
        self.window: tuple[int, int] | None = None
        """Calls in a window on the clock, and its seconds."""
        self._windows_seen: dict[int, int] = {}
        self.queued = False
        """Maintenance: calls are answered with 202 `queued`, and done later."""
        self.forgetful: set[str] = set()
        """External ids whose objects are neither processed nor mentioned."""

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_BRAZE_URL": self.url, "KINSHIP_BRAZE_KEY": KEY}

    def too_many(self) -> Answer:
        return Answer(429, {"message": "rate limited"}, {"X-RateLimit-Reset": str(int(time.time()) - 1)})

    def handle(self, request: Request) -> Answer:
        if self.window is not None:
            calls, seconds = self.window
            number = int(time.time()) // seconds
            self._windows_seen[number] = self._windows_seen.get(number, 0) + 1
            if self._windows_seen[number] > calls:
                return Answer(429, {"message": "rate limited"}, {"X-RateLimit-Reset": str((number + 1) * seconds)})
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"message": "Invalid API key"})
        if len(request.body) > 4_000_000:
            self.broken.append("more than 4 MB")
            return Answer(413, {"message": "Request Entity Too Large"})
        match (request.method, request.path):
            case ("POST", "/users/track"):
                return self._track(request.json())
            case ("POST", "/users/export/ids"):
                return self._export(request.json())
            case ("POST", "/users/delete"):
                return self._delete(request.json()["external_ids"])
            case ("POST", "/users/merge"):
                return self._merge(request.json()["merge_updates"])
            case ("POST", "/users/external_ids/rename"):
                return self._rename(request.json()["external_id_renames"])
            case ("GET", "/subscription/status/get"):
                return self._statuses(request)
            case ("POST", "/v2/subscription/status/set"):
                return self._subscribe(request.json()["subscription_groups"])
            case ("GET", "/email/unsubscribes"):
                return self._unsubscribes(request.query)
        return Answer(404, {"message": "Not Found"})

    def primary(self, name: str) -> str:
        return self.renamed.get(name, name)

    def _track(self, content: dict[str, Any]) -> Answer:
        attributes, events = content.get("attributes", []), content.get("events", [])
        if not attributes and not events:
            return Answer(400, {"message": "Valid data must be provided in the 'attributes' or 'events' fields."})
        if len(attributes) + len(events) > 75:
            self.broken.append("more than 75 objects")
            return Answer(400, {"message": "Max Input Length Exceeded"})
        errors: list[dict[str, Any]] = []
        processed = {"attributes": 0, "events": 0}
        for kind, objects in (("attributes", attributes), ("events", events)):
            for index, given in enumerate(objects):
                if len(json.dumps(given)) > 100_000:
                    self.broken.append("an object of more than 100 KB")
                if text := self._refusal(kind, given):
                    errors.append({"type": text, "input_array": kind, "index": index})
                elif given["external_id"] not in self.forgetful:
                    if not self.is_silent:
                        (self._attributes if kind == "attributes" else self._event)(given)
                    processed[kind] += 1
        if len(errors) == len(attributes) + len(events):
            return Answer(400, {"message": "Valid data must be provided.", "errors": errors})
        told = {f"{kind}_processed": count for kind, count in processed.items() if content.get(kind)}
        if self.queued:
            return Answer(202, {"message": "queued"})
        return Answer(201, {"message": "success", **told, **({"errors": errors} if errors else {})})

    def _refusal(self, kind: str, given: dict[str, Any]) -> str | None:
        if not isinstance(given.get("external_id"), str) or not given["external_id"]:
            return "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
        email = given.get("email")
        if kind == "attributes" and email is not None and not re.fullmatch(r"\S+@\S+\.\S+", email):
            return f"'email' {email} is not a valid address"
        if kind == "events" and not isinstance(given.get("name"), str):
            return "'name' is required for events"
        if kind == "events" and not re.match(r"\d{4}-\d\d-\d\dT", str(given.get("time"))):
            return "'time' must be an ISO 8601 time"
        return None

    def _attributes(self, given: dict[str, Any]) -> None:
        name = self.primary(given["external_id"])
        if given.get("_update_existing_only") and name not in self.users:
            return
        user = self.users.setdefault(name, {})
        for field, value in given.items():
            if field in ("external_id", "_update_existing_only"):
                continue
            self.data_points += 1
            if value is None:
                user.pop(field, None)
            elif isinstance(value, dict) and None in value.values():
                continue  # the whole nested attribute is dropped
            else:
                user[field] = value[:255] if isinstance(value, str) else value
        if user.get("email_subscribe") == "subscribed":
            self.broken.append("subscribed by an attribute")

    def _event(self, given: dict[str, Any]) -> None:
        self.users.setdefault(self.primary(given["external_id"]), {})
        self.events.append(given)

    def _export(self, content: dict[str, Any]) -> Answer:
        if "email_address" in content:
            names = [name for name, user in self.users.items() if user.get("email") == content["email_address"]]
        else:
            names = content["external_ids"]
            if len(names) > 50:
                self.broken.append("more than 50 ids")
                return Answer(400, {"message": "The max number of external_ids and aliases per request was exceeded"})
        there = {primary for name in names if (primary := self.primary(name)) in self.users}
        wanted = set(content["fields_to_export"])
        users = []
        for name in sorted(there):
            user = self.users[name]
            shown = {field: value for field, value in user.items() if field in _STANDARD & wanted}
            if "custom_attributes" in wanted:
                shown["custom_attributes"] = {f: v for f, v in user.items() if f not in _STANDARD}
            users.append({"external_id": name, **shown})
        missing = [name for name in names if self.primary(name) not in self.users]
        return Answer(201, {"message": "success", "users": users, "invalid_user_ids": missing})

    def _delete(self, names: list[str]) -> Answer:
        if len(names) > 50:
            self.broken.append("more than 50 ids")
            return Answer(400, {"message": "The max number of ids per request was exceeded"})
        there = [primary for name in names if (primary := self.primary(name)) in self.users]
        for name in there:
            del self.users[name]
            self.deleted.add(name)
        return Answer(201, {"deleted": len(there), "message": "success"})

    def _merge(self, updates: list[dict[str, Any]]) -> Answer:
        if len(updates) > 50:
            self.broken.append("more than 50 merges")
            return Answer(400, {"message": "a single request may not contain more than 50 merge updates"})
        for update in updates:
            source = update["identifier_to_merge"]["external_id"]
            kept = update["identifier_to_keep"]["external_id"]
            if source in self.users and kept in self.users:
                self.users[kept] = {**self.users.pop(source), **self.users[kept]}
        return Answer(202, {"message": "success"})

    def _rename(self, renames: list[dict[str, Any]]) -> Answer:
        if len(renames) > 50:
            self.broken.append("more than 50 renames")
        done, errors = [], []
        for index, rename in enumerate(renames):
            old, new = rename["current_external_id"], rename["new_external_id"]
            if old not in self.users or new in self.users or new in self.renamed:
                errors.append([index, "the new external_id is in use, or the old one is not a primary id"])
                continue
            self.users[new] = self.users.pop(old)
            self.renamed[old] = new
            done.append(new)
        return Answer(201, {"message": "success", "external_ids": done, "rename_errors": errors})

    def _statuses(self, request: Request) -> Answer:
        if request.query.get("subscription_group_id") != GROUP:
            return Answer(400, {"message": "Invalid subscription group"})
        names = request.all("external_id[]")
        if len(names) > 50:
            self.broken.append("more than 50 ids")
        return Answer(200, {"status": {n: self.group.get(n, "unknown").title() for n in names}, "message": "success"})

    def _subscribe(self, changes: list[dict[str, Any]]) -> Answer:
        for change in changes:
            if len(change["external_ids"]) > 50:
                self.broken.append("more than 50 ids")
            for name in change["external_ids"]:
                state = change["subscription_state"]
                if state == "subscribed" and self.group.get(name) == "unsubscribed":
                    self.broken.append("re-subscribed")
                if not self.is_silent:
                    self.group[name] = state
        return Answer(201, {"message": "success"})

    def _unsubscribes(self, query: dict[str, str]) -> Answer:
        if "end_date" not in query or not ("start_date" in query or "email" in query):
            return Answer(400, {"message": "end_date, and start_date or email, are required"})
        limit, offset = int(query.get("limit", "100")), int(query.get("offset", "0"))
        if limit > 500:
            self.broken.append("more than 500 unsubscribes")
        found = [
            {"email": email, "unsubscribed_at": at}
            for email, at in sorted(self.unsubscribes, key=lambda entry: entry[1])
            if query.get("start_date", "") <= at[:10] < query["end_date"]
        ]
        return Answer(200, {"emails": found[offset : offset + limit], "message": "success"})


class _Workspace(Case):
    def server(self, folder: Path) -> AbstractContextManager[BrazeServer]:
        return BrazeServer()

    def key(self, n: int) -> str:
        return f"person-{n}"

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_BRAZE_KEY": "not-the-key"}


class Users(_Workspace):
    sync = {"object": "users", "key": "external_id"}  # noqa: RUF012
    value = "stage"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"external_id": self.key(n), "email": f"p{n}@example.com", "stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "email": "nobody"}

    def before(self, server: Any, n: int) -> None:
        server.users[self.key(n)] = {"first_name": "Theirs"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((name, user["stage"]) for name, user in server.users.items() if "stage" in user)


class Events(_Workspace):
    sync = {"object": "events", "key": "event_id", "mode": "create"}  # noqa: RUF012
    value = "plan"
    keeps_state = False
    # no idempotency key: an event whose answer was lost is sent again (docs: "each event has its own event ID")
    exact_once = False

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {
            "event_id": self.key(n),
            "external_id": f"person-{n % 3}",
            "name": "upgraded",
            "time": "2026-03-01T10:00:00Z",
            "plan": value,
        }

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "time": "yesterday"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((e["properties"]["event_id"], e["properties"]["plan"]) for e in server.events)


class SubscriptionGroups(_Workspace):
    options = {"subscription_group_id": GROUP}  # noqa: RUF012
    sync = {"object": "subscription_groups", "key": "external_id", "mode": "upsert", "options": options}  # noqa: RUF012
    value = "state"
    is_membership = True

    def server(self, folder: Path) -> AbstractContextManager[BrazeServer]:
        server = BrazeServer()
        for n in range(20):
            server.users[self.key(n)] = {"email": f"p{n}@example.com"}
        return server

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"external_id": self.key(n)}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((name, "") for name, state in server.group.items() if state == "subscribed")
