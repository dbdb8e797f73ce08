"""Klaviyo on loopback: profiles, import jobs, lists, consent and events with the vendor's traps, and four cases.

Jobs that take several polls and tell their errors page by page; NULL that clears one by one and does nothing in a job;
a subscribe job that lifts suppressions, an unsubscribe job that unsubscribes strangers to the list from everything;
unique ids; rates of each endpoint in fixed windows.
"""

import json
import re
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servers.base import Answer, Request, ToolServer
from servers.case import Case

KEY = "pk_0123456789abcdef"
REVISION = "2026-07-15"
LIST = "Y6nRLr"
RATES = {
    "profiles": (75, 750),
    "profile-import": (75, 750),
    "profile-bulk-import-jobs": (10, 150),
    "profile-merge": (10, 150),
    "lists": (10, 150),
    "profile-subscription-bulk-create-jobs": (75, 750),
    "profile-subscription-bulk-delete-jobs": (75, 750),
    "event-bulk-create-jobs": (10, 150),
    "data-privacy-deletion-jobs": (3, 60),
}
_ATTRIBUTES = (
    *("email", "phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title"),
    *("image", "location"),
)


@dataclass
class Profile:
    id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    consent: dict[str, str] = field(default_factory=dict)
    """`SUBSCRIBED` or `UNSUBSCRIBED` by channel."""
    consented_at: dict[str, str] = field(default_factory=dict)
    suppression: list[dict[str, str]] = field(default_factory=list)
    list_suppressions: list[dict[str, str]] = field(default_factory=list)
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Job:
    polls_left: int
    total: int
    errors: list[dict[str, Any]]
    completed: int
    status: str = "complete"


class KlaviyoServer(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, Profile] = {}
        self.lists: dict[str, set[str]] = {LIST: set()}
        self.jobs: dict[str, Job] = {}
        self.events: list[dict[str, Any]] = []
        self.opt_in_mails: list[str] = []
        """Who got a double opt-in mail."""
        self.erased: list[str] = []
        self.polls = 2
        """Looks at a job before it has ended."""
        self.pointers = True
        """Whether import errors name the place of the row, or only give its payload back."""
        self.nameless = False
        """Import errors name nothing at all."""
        self.tells = 1_000_000
        """So many errors of a job are told."""
        self.lazy_jobs = 0
        """So many jobs end without having done anything."""
        self.answers: list[tuple[Request, Answer]] = []
        self.poll_answers: list[Answer] = []
        """What the next looks at a job are answered instead."""
        self.denied: set[str] = set()
        """Endpoints the key has no scope for."""
        self.keeps_rates = False
        self._seen: dict[tuple[str, int, int], int] = {}
        self._unique: set[tuple[str, str, str]] = set()
        self._made = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_KLAVIYO_URL": self.url, "KINSHIP_KLAVIYO_KEY": KEY}

    def add(self, **attributes: Any) -> Profile:
        self._made += 1
        profile = Profile(f"01K{self._made:023d}", attributes)
        self.profiles[profile.id] = profile
        return profile

    def find(self, **wanted: str) -> Profile | None:
        """The profile with this e-mail (without case), phone number or external id."""
        ((name, value),) = wanted.items()
        return next(
            (p for p in self.profiles.values() if _same(name, p.attributes.get(name), value)),
            None,
        )

    def answer(self, request: Request) -> Answer | None:
        answer = super().answer(request)
        if answer is not None:
            self.answers.append((request, answer))
        return answer

    def handle(self, request: Request) -> Answer:
        parts = request.path.removeprefix("/api/").split("/")
        if self.keeps_rates and (limited := self._over_rate(parts[0])):
            return limited
        if request.headers.get("authorization") != f"Klaviyo-API-Key {KEY}":
            return _errors(401, "not_authenticated")
        if parts[0] in self.denied:
            return _errors(403, "permission_denied")
        if request.headers.get("revision") != REVISION:
            return _errors(400, "invalid_revision")
        if request.body and request.headers.get("content-type") != "application/vnd.api+json":
            return _errors(415, "unsupported_media_type")
        content = request.json() if request.body else {}
        if len(request.body) > 5_000_000:
            self.broken.append("more than 5 MB")
            return _errors(413, "payload_too_large")
        match (request.method, *parts):
            case ("GET", "profiles"):
                return self._page(request, self._filtered(list(self.profiles.values()), request), "/profiles")
            case ("PATCH", "profiles", name):
                return self._patch(name, content["data"])
            case ("POST", "profile-import"):
                return self._import(content["data"])
            case ("POST", "profile-bulk-import-jobs"):
                return self._start(content["data"]["attributes"]["profiles"]["data"])
            case ("GET", "profile-bulk-import-jobs", name):
                return self._job(name)
            case ("GET", "profile-bulk-import-jobs", name, "import-errors"):
                return self._page(
                    request, self.jobs[name].errors[: self.tells], f"/profile-bulk-import-jobs/{name}/import-errors"
                )
            case ("POST", "profile-merge"):
                return self._merge(content["data"])
            case (_, "lists", name, *_) if name not in self.lists:
                return _errors(404, "not_found")
            case ("GET", "lists", name):
                links = {"self": f"{self.url}{request.path}"}
                return Answer(
                    200, {"data": {"type": "list", "id": name, "attributes": {"name": "Readers"}, "links": links}}
                )
            case ("GET", "lists", name, "profiles"):
                members = [p for p in self.profiles.values() if p.id in self.lists[name]]
                return self._page(request, self._filtered(members, request), f"/lists/{name}/profiles")
            case (("POST" | "DELETE") as method, "lists", name, "relationships", "profiles"):
                return self._members(method, name, [entry["id"] for entry in content["data"]])
            case ("POST", "profile-subscription-bulk-create-jobs"):
                return self._subscribe(content["data"])
            case ("POST", "profile-subscription-bulk-delete-jobs"):
                return self._unsubscribe(content["data"])
            case ("POST", "event-bulk-create-jobs"):
                return self._events(content["data"]["attributes"]["events-bulk-create"]["data"])
            case ("POST", "data-privacy-deletion-jobs"):
                return self._erase(content["data"]["attributes"]["profile"]["data"])
        return _errors(404, "not_found")

    def _over_rate(self, endpoint: str) -> Answer | None:
        burst, steady = RATES[endpoint]
        now = time.time()
        for seconds, calls in ((1, burst), (60, steady)):
            window = (endpoint, seconds, int(now) // seconds)
            self._seen[window] = self._seen.get(window, 0) + 1
            if self._seen[window] > calls:
                self.broken.append(f"pace of {endpoint}")
                return Answer(429, {"errors": []}, {"Retry-After": str(seconds)})
        return None

    def _filtered(self, profiles: list[Profile], request: Request) -> list[dict[str, Any]]:
        asked = request.query.get("filter", "")
        subscriptions = "subscriptions" in request.query.get("additional-fields[profile]", "")
        if any_of := re.fullmatch(r"any\((\w+),(\[.*\])\)", asked, re.S):
            name, values = any_of[1], set(json.loads(any_of[2]))
            if len(values) > 100:
                self.broken.append("more than 100 values in a filter")
            lowered = {value.lower() for value in values}
            profiles = [
                p
                for p in profiles
                if (p.id if name == "id" else p.attributes.get(name)) in values
                or (name == "email" and str(p.attributes.get("email", "")).lower() in lowered)
            ]
        elif since := re.fullmatch(r"(greater-or-equal|greater-than)\(([\w.]+),([\dTZ:.-]+)\)", asked):
            after, name = datetime.fromisoformat(since[3]), since[2].split(".")[-2:]
            profiles = [p for p in profiles if any(at >= after for at in _moments(p, name))]
        elif asked:
            return []
        return [_show(p, subscriptions) for p in profiles]

    def _page(self, request: Request, records: list[dict[str, Any]], path: str) -> Answer:
        size = int(request.query.get("page[size]", "20"))
        if not 1 <= size <= 100:
            return _errors(400, "invalid")
        start = int(request.query.get("page[cursor]", "0") or 0)
        links = {"self": f"{self.url}/api{path}"}
        if start + size < len(records):
            links["next"] = f"{self.url}/api{path}?{quote('page[cursor]')}={start + size}"
        return Answer(200, {"data": records[start : start + size], "links": links})

    def _fault_of(self, given: dict[str, Any]) -> tuple[str, str] | None:
        """The pointer's end and the code of what is wrong with a profile."""
        attributes = given.get("attributes", {})
        if given.get("id") and given["id"] not in self.profiles:
            return "id", "not_found"
        if not given.get("id") and not any(attributes.get(name) for name in _ATTRIBUTES[:3]):
            return "attributes", "invalid"
        email, phone = attributes.get("email"), attributes.get("phone_number")
        if email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            return "attributes/email", "invalid"
        if phone is not None and not re.fullmatch(r"\+[1-9]\d{6,14}", phone):
            return "attributes/phone_number", "invalid"
        if len(json.dumps(given, ensure_ascii=False).encode()) > 100_000:
            self.broken.append("a profile of more than 100 KB")
        return None

    def _match(self, given: dict[str, Any]) -> Profile | None:
        if given.get("id"):
            return self.profiles[given["id"]]
        for name in _ATTRIBUTES[:3]:
            value = given["attributes"].get(name)
            if value is not None and (profile := self.find(**{name: value})):
                return profile
        return None

    def _write(self, given: dict[str, Any], *, nulls: bool) -> tuple[Profile | None, bool]:
        """The profile and whether it is new; None when an identifier belongs to another one."""
        profile = self._match(given)
        is_new = profile is None
        email = given["attributes"].get("email")
        if email and profile is not None and (other := self.find(email=email)) and other is not profile:
            return None, False
        profile = profile or self.add()
        for name, value in given["attributes"].items():
            target = profile.attributes
            pairs = value.items() if name == "properties" else ((name, value),)
            if name == "properties":
                target = profile.properties
            for key, part in pairs:
                if part is not None and not (isinstance(part, dict) and set(part.values()) == {None}):
                    target[key] = part
                elif nulls:
                    target.pop(key, None)
        for name in given.get("meta", {}).get("patch_properties", {}).get("unset", []):
            profile.properties.pop(name, None)
        profile.updated = datetime.now(UTC)
        return profile, is_new

    def _import(self, given: dict[str, Any]) -> Answer:
        if fault := self._fault_of(given):
            return _errors(404 if fault[1] == "not_found" else 400, fault[1], f"/data/{fault[0]}")
        profile, is_new = self._write(given, nulls=True)
        if profile is None:
            return _errors(409, "duplicate_profile", "/data/attributes")
        return Answer(201 if is_new else 200, {"data": _show(profile, False)})

    def _patch(self, name: str, given: dict[str, Any]) -> Answer:
        if name not in self.profiles or given["id"] != name:
            return _errors(404, "not_found")
        if fault := self._fault_of(given):
            return _errors(400, fault[1], f"/data/{fault[0]}")
        profile, _ = self._write(given, nulls=True)
        if profile is None:
            return _errors(409, "duplicate_profile", "/data/attributes")
        return Answer(200, {"data": _show(profile, False)})

    def _start(self, given: list[dict[str, Any]]) -> Answer:
        if len(given) > 10_000:
            self.broken.append("more than 10,000 profiles")
            return _errors(400, "invalid")
        errors = []
        does_nothing = self.lazy_jobs > 0 or self.is_silent
        self.lazy_jobs -= self.lazy_jobs > 0
        for place, profile in enumerate(given):
            if fault := self._fault_of(profile):
                errors.append(self._import_error(place, profile, fault))
            elif not does_nothing:
                self._write(profile, nulls=False)
        name = f"job-{len(self.jobs) + 1}"
        completed = 0 if does_nothing else len(given) - len(errors)
        self.jobs[name] = Job(self.polls, len(given), errors, completed)
        return Answer(202, {"data": self._job_record(name, "queued")})

    def _import_error(self, place: int, profile: dict[str, Any], fault: tuple[str, str]) -> dict[str, Any]:
        pointer = f"/data/attributes/profiles/data/{place}/{fault[0]}" if self.pointers else "/data"
        attributes = {
            "code": fault[1],
            "title": "Invalid input.",
            "detail": "The payload provided in the request is invalid.",
            "source": {"pointer": "/data" if self.nameless else pointer},
            "original_payload": None if self.nameless or self.pointers else profile,
        }
        return {"type": "import-error", "id": f"error-{place}", "attributes": attributes}

    def _job(self, name: str) -> Answer:
        if self.poll_answers:
            return self.poll_answers.pop(0)
        job = self.jobs[name]
        job.polls_left -= 1
        status = job.status if job.polls_left <= 0 else "processing"
        return Answer(200, {"data": self._job_record(name, status)})

    def _job_record(self, name: str, status: str) -> dict[str, Any]:
        job = self.jobs[name]
        is_done = status == "complete"
        attributes = {
            "status": status,
            "created_at": "2026-01-01T00:00:00+00:00",
            "total_count": job.total,
            "completed_count": job.completed if is_done else 0,
            "failed_count": len(job.errors) if is_done else 0,
        }
        links = {"self": f"{self.url}/api/profile-bulk-import-jobs/{name}"}
        return {"type": "profile-bulk-import-job", "id": name, "attributes": attributes, "links": links}

    def _merge(self, data: dict[str, Any]) -> Answer:
        sources = data["relationships"]["profiles"]["data"]
        if len(sources) != 1:
            return _errors(400, "invalid")
        kept, source = self.profiles.get(data["id"]), self.profiles.get(sources[0]["id"])
        if kept is None or source is None:
            return _errors(404, "not_found")
        kept.properties = {**source.properties, **kept.properties}
        kept.suppression += source.suppression
        del self.profiles[source.id]
        return Answer(201, {"data": {"type": "profile", "id": kept.id, "links": _links(kept)}})

    def _members(self, method: str, name: str, ids: list[str]) -> Answer:
        if len(ids) > 1_000:
            self.broken.append("more than 1,000 members")
        if not self.is_silent:
            known = {profile for profile in ids if profile in self.profiles}
            self.lists[name] = self.lists[name] | known if method == "POST" else self.lists[name] - known
        return Answer(204)

    def _subscribe(self, data: dict[str, Any]) -> Answer:
        given = data["attributes"]["profiles"]["data"]
        if len(given) > 1_000:
            self.broken.append("more than 1,000 subscriptions")
            return _errors(400, "invalid")
        is_historical = data["attributes"].get("historical_import") is True
        for place, entry in enumerate(given):
            if fault := self._fault_of(entry):
                return _errors(400, fault[1], f"/data/attributes/profiles/data/{place}/{fault[0]}")
            for change in entry["attributes"]["subscriptions"].values():
                at = change["marketing"].get("consented_at")
                if is_historical and (at is None or datetime.fromisoformat(at) >= datetime.now(UTC)):
                    return _errors(400, "invalid", f"/data/attributes/profiles/data/{place}/attributes/subscriptions")
                if not is_historical and at is not None:
                    return _errors(400, "invalid")
        for entry in given:
            profile = self._match(entry)
            if profile is None:
                profile = self.add(**{n: v for n, v in entry["attributes"].items() if n in _ATTRIBUTES})
            for channel, change in entry["attributes"]["subscriptions"].items():
                if not is_historical:
                    self.opt_in_mails.append(profile.id)
                    continue
                if profile.consent.get(channel) == "UNSUBSCRIBED" or profile.suppression:
                    self.broken.append("re-subscribed")
                profile.suppression = [
                    s for s in profile.suppression if s["reason"] in ("HARD_BOUNCE", "INVALID_EMAIL")
                ]
                profile.consent[channel] = change["marketing"]["consent"]
                profile.consented_at[channel] = change["marketing"]["consented_at"]
            if "relationships" in data:
                self.lists[data["relationships"]["list"]["data"]["id"]].add(profile.id)
        return Answer(202, b"")

    def _unsubscribe(self, data: dict[str, Any]) -> Answer:
        given = data["attributes"]["profiles"]["data"]
        if len(given) > 100:
            self.broken.append("more than 100 unsubscribed")
            return _errors(400, "invalid")
        name = data.get("relationships", {}).get("list", {}).get("data", {}).get("id")
        now = datetime.now(UTC).isoformat()
        for entry in given:
            profile = self._match(entry)
            if profile is None:
                profile = self.add(**{n: v for n, v in entry["attributes"].items() if n in _ATTRIBUTES})
            if name is not None and profile.id in self.lists[name]:
                self.lists[name].discard(profile.id)
                profile.list_suppressions.append({"list_id": name, "reason": "USER_SUPPRESSED", "timestamp": now})
                profile.consent.pop("email", None)
                continue
            for channel in entry["attributes"]["subscriptions"]:
                profile.consent[channel] = "UNSUBSCRIBED"
                if channel == "email":
                    profile.suppression.append({"reason": "UNSUBSCRIBE", "timestamp": now})
        return Answer(202, b"")

    def _events(self, given: list[dict[str, Any]]) -> Answer:
        events = [
            (place, e["attributes"], inner["attributes"])
            for place, e in enumerate(given)
            for inner in e["attributes"]["events"]["data"]
        ]
        if len(events) > 1_000:
            self.broken.append("more than 1,000 events")
            return _errors(400, "invalid")
        seen: set[tuple[str, str, str]] = set()
        fresh = []
        for place, outer, event in events:
            profile = outer["profile"]["data"]["attributes"]
            metric = event["metric"]["data"]["attributes"]["name"]
            identity = (json.dumps(profile, sort_keys=True), metric, event["unique_id"])
            if identity in seen:
                self.broken.append("a unique_id twice in a request")
                return _errors(400, "duplicate_unique_id")
            seen.add(identity)
            try:
                datetime.fromisoformat(event["time"])
            except ValueError:
                pointer = f"/data/attributes/events-bulk-create/data/{place}/attributes/events/data/0/attributes/time"
                return _errors(400, "invalid", pointer)
            if identity not in self._unique:
                fresh.append((identity, {"profile": profile, "metric": metric, **event}))
        if not self.is_silent:
            for identity, event in fresh:
                self._unique.add(identity)
                self.events.append(event)
        return Answer(202, b"")

    def _erase(self, given: dict[str, Any]) -> Answer:
        named = {n: v for n, v in {"id": given.get("id"), **given.get("attributes", {})}.items() if v is not None}
        if len(named) != 1:
            self.broken.append("not exactly one identifier")
            return _errors(400, "invalid")
        ((name, value),) = named.items()
        gone = [
            p.id
            for p in self.profiles.values()
            if (p.id == value if name == "id" else _same(name, p.attributes.get(name), value))
        ]
        for profile in gone:
            del self.profiles[profile]
            self.erased.append(profile)
        return Answer(202, b"")


def _same(name: str, held: Any, wanted: str) -> bool:
    return held is not None and (held.lower() == wanted.lower() if name == "email" else held == wanted)


def _moments(profile: Profile, name: list[str]) -> list[datetime]:
    if name[-1] == "updated":
        return [profile.updated]
    entries = profile.suppression if name[0] == "suppression" else profile.list_suppressions
    return [datetime.fromisoformat(entry["timestamp"]) for entry in entries]


def _show(profile: Profile, subscriptions: bool) -> dict[str, Any]:
    attributes = {name: profile.attributes.get(name) for name in _ATTRIBUTES} | {"properties": profile.properties}
    attributes |= {"location": profile.attributes.get("location") or {}, "joined_group_at": "2026-01-01T00:00:00+00:00"}
    if subscriptions:
        email = {
            "can_receive_email_marketing": not profile.suppression,
            "consent": profile.consent.get("email", "NEVER_SUBSCRIBED"),
            "consent_timestamp": profile.consented_at.get("email"),
            "suppression": profile.suppression,
            "list_suppressions": profile.list_suppressions,
        }
        sms = {
            "can_receive_sms_marketing": profile.consent.get("sms") == "SUBSCRIBED",
            "consent": profile.consent.get("sms", "NEVER_SUBSCRIBED"),
            "consent_timestamp": profile.consented_at.get("sms"),
        }
        attributes["subscriptions"] = {"email": {"marketing": email}, "sms": {"marketing": sms}}
    return {"type": "profile", "id": profile.id, "attributes": attributes, "links": _links(profile)}


def _links(profile: Profile) -> dict[str, str]:
    return {"self": f"https://a.klaviyo.com/api/profiles/{profile.id}/"}


def _errors(status: int, code: str, pointer: str = "/data") -> Answer:
    error = {
        "id": "0",
        "status": status,
        "code": code,
        "title": "Refused",
        "detail": "What was sent is quoted here.",
        "source": {"pointer": pointer},
    }
    return Answer(status, {"errors": [error]}, {"Content-Type": "application/vnd.api+json"})


class _Account(Case):
    def server(self, folder: Path) -> AbstractContextManager[KlaviyoServer]:
        return KlaviyoServer()

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_KLAVIYO_KEY": "pk_fedcba9876543210"}


class Profiles(_Account):
    sync = {"object": "profiles", "key": "email"}  # noqa: RUF012
    value = "stage"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "first_name": f"Zoë {n}", "phone_number": None, "stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "phone_number": "0171 2345"}

    def before(self, server: Any, n: int) -> None:
        server.add(email=self.key(n), first_name="Theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        live = [profile for profile in server.profiles.values() if "stage" in profile.properties]
        return sorted((profile.attributes["email"], profile.properties["stage"]) for profile in live)


class ProfileJobs(Profiles):
    """The same by import jobs."""

    sync = {  # noqa: RUF012
        "object": "profiles",
        "key": "email",
        "options": {"bulk_from": 1, "poll_seconds": 0.002},
    }


class Lists(_Account):
    sync = {"object": "lists", "key": "email", "options": {"list_id": LIST}}  # noqa: RUF012
    value = "list"
    is_membership = True

    def server(self, folder: Path) -> AbstractContextManager[KlaviyoServer]:
        server = KlaviyoServer()
        for n in range(20):
            server.add(email=self.key(n))
        return server

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n)}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((server.profiles[name].attributes["email"], "") for name in server.lists[LIST])


class Consent(_Account):
    sync = {  # noqa: RUF012
        "object": "consent",
        "key": "email",
        "mode": "upsert",
        "channel": "email",
        "options": {"list_id": LIST},
    }
    value = "consented_at"
    types = {"consented_at": "timestamp"}  # noqa: RUF012
    is_membership = True

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "consented_at": datetime(2026, 1, 1) + timedelta(days=n)}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {"email": self.key(n), "consented_at": datetime(2999, 1, 1)}

    def content(self, server: Any) -> list[tuple[str, str]]:
        live = [p for p in server.profiles.values() if p.consent.get("email") == "SUBSCRIBED"]
        return sorted((profile.attributes["email"], "") for profile in live)


class Events(_Account):
    sync = {"object": "events", "key": "order_id", "mode": "create", "options": {"metric": "Ordered"}}  # noqa: RUF012
    value = "note"
    keeps_state = False

    def key(self, n: int) -> str:
        return f"order-{n}"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {
            "order_id": self.key(n),
            "email": f"p{n % 3}@example.com",
            "time": "2026-03-01T10:00:00Z",
            "note": value,
        }

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "time": "yesterday"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((e["properties"]["order_id"], e["properties"]["note"]) for e in server.events)
