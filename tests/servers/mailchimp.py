"""Mailchimp on loopback: one audience with its traps, and the cases of members, tags and a static segment.

200 with `errors`; `status_if_new` for the new only; archived members that hide their status; addresses that were
deleted for good; throttling by a proxy that speaks no JSON; at most 10 connections and 500 members.
"""

import base64
import hashlib
import re
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers.base import Answer, Request, ToolServer
from servers.case import Case

KEY = "0123456789abcdef-us21"
LIST = "a1b2c3d4e5"
SEGMENT = 4711
MERGE_FIELDS = {"FNAME": "text", "LNAME": "text", "STAGE": "text", "ORDERS": "number"}
_STATUSES = {"subscribed", "unsubscribed", "cleaned", "pending", "transactional"}


def hash_of(email: str) -> str:
    return hashlib.md5(email.lower().encode()).hexdigest()


@dataclass
class Member:
    email: str
    status: str
    contact_id: str
    fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    said_no: bool = False
    """Unsubscribed by the person: no API call brings them back."""
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))


class MailchimpServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, Member] = {}
        self.forgotten: set[str] = set()
        self.required: set[str] = set()
        self.tag_ids: dict[str, int] = {"vip": SEGMENT}
        self.omit: set[str] = set()
        """Addresses that a batch neither takes nor mentions."""
        self.throttle: list[Answer] = []
        """What a proxy says to the next calls."""
        self._made = 0
        self._under_way = 0
        self._counter = threading.Lock()
        self.most_connections = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_MAILCHIMP_URL": self.url, "KINSHIP_MAILCHIMP_KEY": KEY}

    def add(self, email: str, status: str = "subscribed", **fields: Any) -> Member:
        self._made += 1
        member = Member(email, status, f"c{self._made:031d}", fields, said_no=status == "unsubscribed")
        self.members[hash_of(email)] = member
        return member

    def get(self, email: str) -> Member:
        return self.members[hash_of(email)]

    def too_many(self) -> Answer:
        # no JSON and no Retry-After, now as 429, now as 403
        return Answer(429 if len(self.requests) % 2 else 403, b"<html>slow down</html>", {"Content-Type": "text/html"})

    def answer(self, request: Request) -> Answer | None:
        with self._counter:
            self._under_way += 1
            self.most_connections = max(self.most_connections, self._under_way)
            if self._under_way > 10:
                self.broken.append("more than 10 connections")
        try:
            return super().answer(request)
        finally:
            with self._counter:
                self._under_way -= 1

    def handle(self, request: Request) -> Answer:
        if self.throttle:
            return self.throttle.pop(0)
        if not request.headers.get("authorization", "").startswith("Basic ") or not self._knows(request):
            return _problem(401, "API Key Invalid")
        parts = request.path.removeprefix("/3.0/").split("/")
        if parts[:2] != ["lists", LIST]:
            return _problem(404, "Resource Not Found")
        match (request.method, *parts[2:]):
            case ("GET",):
                return Answer(200, {"id": LIST, "name": "Readers"})
            case ("POST",):
                return self._batch(request.json())
            case ("GET", "merge-fields"):
                tags = [{"tag": tag, "required": tag in self.required} for tag in MERGE_FIELDS]
                return Answer(200, {"merge_fields": tags})
            case ("GET", "members"):
                return self._list(request.query)
            case ("GET", "segments", number):
                is_there = int(number) in self.tag_ids.values()
                return Answer(200, {"id": int(number), "type": "static"}) if is_there else _problem(404, "Not Found")
            case ("POST", "segments", _):
                return self._segment(request.json())
            case (method, "members", hashed, *rest):
                member = self.members.get(hashed) or next(
                    (m for m in self.members.values() if m.contact_id == hashed), None
                )
                if member is None:
                    return _problem(404, "Resource Not Found")
                return self._member(method, member, rest, request)
        return _problem(405, "Method Not Allowed")

    def _knows(self, request: Request) -> bool:
        return base64.b64decode(request.headers["authorization"][6:]).decode().partition(":")[2] == KEY

    def _batch(self, content: dict[str, Any]) -> Answer:
        sent = content["members"]
        if len(sent) > 500:
            self.broken.append("more than 500 members")
            return _problem(400, "Invalid Resource")
        if len({member["email_address"].lower() for member in sent}) < len(sent):
            self.broken.append("an address twice in a batch")
        new, updated, errors = [], [], []
        for given in sent:
            email = given["email_address"]
            if email.lower() in self.omit or self.is_silent:
                continue
            member = self.members.get(hash_of(email))
            if "status" in given and member is not None:
                self.broken.append("status for somebody who is there")
            if given.get("status_if_new") not in _STATUSES and "status" not in given:
                self.broken.append("no status for the new")
            if error := self._refusal(email, given):
                errors.append({"email_address": email, **error})
                continue
            if member is None:
                member = self.add(email, given.get("status") or given["status_if_new"])
                new.append(member)
            elif content.get("update_existing"):
                updated.append(member)
            else:
                errors.append(
                    {
                        "email_address": email,
                        "error": f"{email} is already a list member",
                        "error_code": "ERROR_CONTACT_EXISTS",
                    }
                )
                continue
            self._fill(member, given)
        return Answer(
            200,
            {
                "new_members": [self._show(member) for member in new],
                "updated_members": [self._show(member) for member in updated],
                "errors": errors,
                "total_created": len(new),
                "total_updated": len(updated),
                "error_count": len(errors),
            },
        )

    def _refusal(self, email: str, given: dict[str, Any]) -> dict[str, str] | None:
        generic = {"error_code": "ERROR_GENERIC"}
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            return {"error": f"{email} looks fake or invalid, please enter a real email address.", **generic}
        if hash_of(email) in self.forgotten:
            return {"error": f"{email} was permanently deleted and cannot be re-imported.", **generic}
        for name, value in given.get("merge_fields", {}).items():
            if MERGE_FIELDS.get(name) == "text" and len(str(value).encode()) > 255:
                return {
                    "error": "Your merge fields were invalid.",
                    "field": name,
                    "field_message": "Data did not match",
                    **generic,
                }
        return None

    def _fill(self, member: Member, given: dict[str, Any]) -> None:
        for name, value in given.get("merge_fields", {}).items():
            if name in MERGE_FIELDS:  # others are dropped without a word
                member.fields[name] = value
        member.fields.update({name: given[name] for name in ("language", "vip") if name in given})
        member.changed = datetime.now(UTC)

    def _member(self, method: str, member: Member, rest: list[str], request: Request) -> Answer:
        match (method, *rest):
            case ("GET",):
                return Answer(200, self._show(member))
            case ("PATCH",):
                return self._patch(member, request.json())
            case ("DELETE",):
                if member.status == "archived":
                    return _problem(405, "Method Not Allowed")
                if not self.is_silent:
                    member.status = "archived"
                return Answer(204)
            case ("POST", "tags"):
                for tag in request.json()["tags"]:
                    self.tag_ids.setdefault(tag["name"], len(self.tag_ids) + 1)
                    (member.tags.add if tag["status"] == "active" else member.tags.discard)(tag["name"])
                return Answer(204)
            case ("POST", "actions", "delete-permanent"):
                del self.members[hash_of(member.email)]
                self.forgotten.add(hash_of(member.email))
                return Answer(204)
        return _problem(405, "Method Not Allowed")

    def _patch(self, member: Member, given: dict[str, Any]) -> Answer:
        if (status := given.get("status")) is not None:
            if member.said_no and status != "unsubscribed":
                return _problem(400, "Member In Compliance State", f"{member.email} is in a compliance state")
            if member.status != "archived":
                self.broken.append("status for somebody who is there")
            member.status = status
        email = given.get("email_address", member.email)
        if email.lower() != member.email.lower():
            if hash_of(email) in self.members:
                return _problem(400, "Member Exists", f"{email} is already a list member")
            if member.status != "subscribed":
                return _problem(400, "Invalid Resource")
            del self.members[hash_of(member.email)]
            self.members[hash_of(email)] = member
            member.email = email
        self._fill(member, given)
        return Answer(200, self._show(member))

    def _segment(self, given: dict[str, Any]) -> Answer:
        adds, removes = given.get("members_to_add", []), given.get("members_to_remove", [])
        if len(adds) > 500 or len(removes) > 500:
            self.broken.append("more than 500 members of a segment")
        done: dict[str, list[dict[str, Any]]] = {"members_added": [], "members_removed": []}
        strangers = []
        for emails, verb, change in ((adds, "members_added", set.add), (removes, "members_removed", set.discard)):
            for email in emails:
                member = self.members.get(hash_of(email))
                if member is None:
                    strangers.append(email)
                elif ("vip" in member.tags) != (verb == "members_added"):
                    change(member.tags, "vip")
                    done[verb].append(self._show(member))
        errors = [{"email_addresses": strangers, "error": "Email addresses are not in the list"}] if strangers else []
        return Answer(200, {**done, "errors": errors, "error_count": len(errors)})

    def _list(self, query: dict[str, str]) -> Answer:
        count, offset = int(query.get("count", "10")), int(query.get("offset", "0"))
        if count > 1000:
            return _problem(400, "Invalid Resource")
        since = query.get("since_last_changed")
        found = [
            member
            for member in sorted(self.members.values(), key=lambda m: m.changed)
            if member.status == query.get("status", member.status)
            and (since is None or member.changed >= datetime.fromisoformat(since))
        ]
        return Answer(
            200, {"members": [self._show(m) for m in found[offset : offset + count]], "total_items": len(found)}
        )

    def _show(self, member: Member) -> dict[str, Any]:
        return {
            "id": hash_of(member.email),
            "contact_id": member.contact_id,
            "email_address": member.email,
            "status": member.status,
            "merge_fields": {tag: member.fields.get(tag, "") for tag in MERGE_FIELDS},
            "tags": [{"id": self.tag_ids[tag], "name": tag} for tag in sorted(member.tags)],
            "last_changed": member.changed.isoformat(timespec="seconds"),
        }


def _problem(status: int, title: str, detail: str = "") -> Answer:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "0"}
    return Answer(status, body, {"Content-Type": "application/problem+json"})


class _Audience(Case):
    def server(self, folder: Path) -> AbstractContextManager[MailchimpServer]:
        return MailchimpServer()

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_MAILCHIMP_KEY": "fedcba9876543210-us21"}


class Members(_Audience):
    sync = {"object": "members", "key": "email_address", "options": {"list_id": LIST}}  # noqa: RUF012
    value = "STAGE"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email_address": self.key(n), "FNAME": f"Zoë {n}", "STAGE": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "STAGE": "x" * 256}

    def before(self, server: Any, n: int) -> None:
        server.add(self.key(n), FNAME="Theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        live = [member for member in server.members.values() if member.status != "archived"]
        return sorted((m.email, m.fields["STAGE"]) for m in live if m.fields.get("STAGE"))


class _Labelled(_Audience):
    is_membership = True

    def server(self, folder: Path) -> AbstractContextManager[MailchimpServer]:
        server = MailchimpServer()
        for n in range(20):
            server.add(self.key(n))
        return server

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email_address": self.key(n)}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((member.email, "") for member in server.members.values() if "vip" in member.tags)


class Tags(_Labelled):
    sync = {"object": "tags", "key": "email_address", "options": {"list_id": LIST, "tag": "vip"}}  # noqa: RUF012
    value = "tag"


class Segments(_Labelled):
    options = {"list_id": LIST, "segment_id": SEGMENT}  # noqa: RUF012
    sync = {"object": "segments", "key": "email_address", "options": options}  # noqa: RUF012
    value = "segment"
