"""HubSpot on loopback: CRM objects, static lists and opt-outs, with the limits and the traps of the real one.

Shapes after HubSpot's public API specifications, version 2026-03 (see reverse_etl/destinations/hubspot/client.py and
orchestration/extract/live/hubspot.py). It serves destination and source: an account has both.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reverse_etl.limits import Rate
from servers.base import Answer, Request, ToolServer
from servers.case import Case

TOKEN = "pat-eu1-right"
OBJECTS = r"/crm/objects/2026-03/(\w+)"
LISTS = r"/crm/lists/2026-03"
ACCOUNT = {"portalId": 42, "accountType": "STANDARD"}
OPTIONS = ("gold", "silver")
QUICK = {"settle_seconds": 0.01}


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "hubspotDefined": False, "hasUniqueValue": False} | more


STANDARD = {"hubspotDefined": True}
READ_ONLY = STANDARD | {"modificationMetadata": {"readOnlyValue": True}}
PROPERTIES = {
    "contacts": [
        text("email", **STANDARD), text("firstname", **STANDARD), text("lastname", **STANDARD),
        text("hs_object_id", **READ_ONLY), text("hs_email_optout", **READ_ONLY),
        text("kinship_stage"), text("kinship_id", hasUniqueValue=True), text("kinship_score", type="number"),
        text("kinship_tier", type="enumeration", options=[{"value": value} for value in OPTIONS]),
    ],
    "companies": [
        text("name", **STANDARD), text("domain", **STANDARD),
        text("kinship_id", hasUniqueValue=True), text("kinship_stage"),
    ],
    "deals": [], "calls": [], "meetings": [],
}  # fmt: skip


# the schemas of the inputs of batch calls in CRM Contacts 2026-03: what must be there, and what may be there as well
INPUTS = {
    "upsert": ({"id", "properties"}, {"idProperty", "objectWriteTraceId"}),
    "update": ({"id", "properties"}, {"idProperty", "objectWriteTraceId"}),
    "create": ({"associations", "properties"}, {"objectWriteTraceId"}),
    "read": ({"id"}, set()),
    "archive": ({"id"}, set()),
}
BODIES = {"read": ({"inputs", "properties", "propertiesWithHistory"}, {"idProperty"})}


def written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Record:
    id: str
    properties: dict[str, str]
    archived: bool = False
    merged_into: str | None = None
    beside: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """By type of object: id and type of association."""
    archived_at: datetime | None = None
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def shape(self, names: list[str] | None = None) -> dict[str, Any]:
        shown = self.properties if names is None else {name: self.properties.get(name) for name in names}
        at = written(self.changed_at)
        return {
            "id": self.id, "properties": {**shown, "hs_object_id": self.id}, "createdAt": at, "updatedAt": at,
            "archived": self.archived,
        } | ({"archivedAt": written(self.archived_at)} if self.archived_at else {})  # fmt: skip


@dataclass
class StaticList:
    processing: str = "MANUAL"
    object_type: str = "0-1"
    members: set[str] = field(default_factory=set)


class InputError(Exception):
    """One input that HubSpot does not take."""

    def __init__(self, category: str, code: str = "", **context: list[str]) -> None:
        super().__init__(category)
        self.category, self.code, self.context = category, code, context


class HubspotServer(ToolServer):
    def __init__(self, rates: tuple[Rate, ...] = (), per_day: int | None = None) -> None:
        self.rates = rates
        self.per_day = per_day
        self.records: dict[str, dict[str, Record]] = {name: {} for name in PROPERTIES}
        self.lists = {"7": StaticList(), "8": StaticList("DYNAMIC"), "9": StaticList(object_type="0-2")}
        self.blocked: set[str] = set()
        self.opted_out: dict[str, datetime] = {}
        self.pipelines: list[dict[str, Any]] = []
        self.subscriptions: dict[str, list[dict[str, Any]]] = {}
        """By e-mail address."""
        self.unseen: set[str] = set()
        """Ids of records that have not come to the search's index yet."""
        self.turned: Callable[[], None] = lambda: None
        """Called after each page of a search."""
        self.names_errors = True
        """Whether an error of a 207 says which input it is about."""
        self.served = 0
        self._ids = itertools.count(101)
        super().__init__()

    @property
    def source_environment(self) -> dict[str, str]:
        return {"HUBSPOT_URL": self.url, "HUBSPOT_ACCESS_TOKEN": TOKEN}

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_HUBSPOT_URL": self.url, "KINSHIP_HUBSPOT_ACCESS_TOKEN": TOKEN}

    def add(self, object: str = "contacts", **properties: str) -> Record:
        """A record that somebody made in the user interface."""
        record = Record(str(next(self._ids)), dict(properties))
        self.records[object][record.id] = record
        return record

    def live(self, object: str = "contacts") -> list[Record]:
        return [record for record in self.records[object].values() if not record.archived]

    def count(self, ending: str) -> int:
        return sum(request.path.endswith(ending) for request in self.requests)

    def opt_out(self, email: str, at: datetime) -> None:
        """The person clicked on unsubscribe."""
        self.opted_out[email] = at
        for record in self.live():
            if record.properties.get("email") == email:
                record.properties["hs_email_optout"] = "true"
                record.changed_at = at

    def too_many(self) -> Answer:
        answer = super().too_many()
        answer.body = problem("RATE_LIMITS") | {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
        return answer

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, problem("INVALID_AUTHENTICATION"))
        self.served += 1
        if self.per_day is not None and self.served > self.per_day:
            return Answer(429, problem("RATE_LIMITS") | {"errorType": "RATE_LIMIT", "policyName": "DAILY"})
        routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", r"/account-info/2026-03/details", lambda _: Answer(200, ACCOUNT)),
            ("GET", r"/crm/properties/2026-03/(\w+)", self._properties),
            ("POST", OBJECTS + r"/batch/(upsert|update|create)", self._write),
            ("POST", OBJECTS + r"/batch/read", self._read),
            ("POST", OBJECTS + r"/batch/archive", self._archive),
            ("POST", OBJECTS + r"/merge", self._merge),
            ("POST", OBJECTS + r"/search", self._search),
            ("GET", OBJECTS, self._listed),
            ("POST", r"/crm/associations/2026-03/(\w+)/(\w+)/batch/read", self._beside),
            ("GET", r"/crm/pipelines/2026-03/deals", lambda _: Answer(200, {"results": self.pipelines})),
            ("POST", r"/communication-preferences/2026-03/statuses/batch/read", self._subscribed),
            ("POST", OBJECTS + r"/gdpr-delete", self._gdpr_delete),
            ("POST", r"/communication-preferences/2026-03/statuses/batch/unsubscribe-all/read", self._unsubscribed),
            ("GET", LISTS + r"/(\d+)", self._list),
            ("PUT", LISTS + r"/(\d+)/memberships/(add|remove)", self._members),
            ("POST", LISTS + r"/records/memberships/batch/read", self._memberships),
        ]  # fmt: skip
        for method, pattern, answer in routes:
            if request.method == method and (match := re.fullmatch(pattern, request.path)):
                return answer(request, *match.groups())
        return Answer(404, problem("OBJECT_NOT_FOUND"))

    def _properties(self, _: Request, object: str) -> Answer:
        if object not in PROPERTIES:
            return Answer(400, problem("VALIDATION_ERROR"))
        return Answer(200, {"results": PROPERTIES[object]})

    def _inputs(self, request: Request) -> list[Any] | Answer:
        """The inputs of a batch, or the answer that refuses them all."""
        verb = request.path.rpartition("/")[2]
        shapes = [(request.json(), BODIES.get(verb, ({"inputs"}, set())))]
        shapes += [(entry, INPUTS[verb]) for entry in request.json()["inputs"]]
        for entry, (required, allowed) in shapes:
            if not required <= set(entry) <= required | allowed:
                self.broken.append(f"not in the schema: {sorted(entry)} to {request.path}")
                return Answer(400, problem("VALIDATION_ERROR"))
        inputs = request.json()["inputs"]
        names = [str(entry.get("id", position)).lower() for position, entry in enumerate(inputs)]
        if len(inputs) > 100:
            self.broken.append(f"{len(inputs)} inputs: {request.path}")
        elif len(set(names)) < len(names):
            self.broken.append(f"an id twice: {request.path}")
        else:
            return inputs
        return Answer(400, problem("VALIDATION_ERROR"))

    def _write(self, request: Request, object: str, verb: str) -> Answer:
        inputs = self._inputs(request)
        if isinstance(inputs, Answer):
            return inputs
        if self.is_silent:
            return batch([])
        results, errors = [], []
        is_partial = all("objectWriteTraceId" in entry for entry in inputs)
        before = {key: Record(r.id, dict(r.properties), r.archived) for key, r in self.records[object].items()}
        for entry in inputs:
            try:
                record, is_new = self._apply(object, verb, entry)
            except InputError as error:
                if not is_partial:
                    self.records[object] = before
                    return Answer(409 if error.category == "CONFLICT" else 400, problem(error.category, error.code))
                named = {"objectWriteTraceId": [entry["objectWriteTraceId"]]} if self.names_errors else {}
                errors.append(problem(error.category, error.code, **named, **error.context))
                continue
            result = record.shape() | {"objectWriteTraceId": entry.get("objectWriteTraceId")}
            results.append(result | {"new": is_new} if verb == "upsert" else result)
        # the order of results is not that of inputs
        return batch(results[::-1], errors, 201 if verb == "create" and not errors else 200)

    def _apply(self, object: str, verb: str, entry: Mapping[str, Any]) -> tuple[Record, bool]:
        records = self.records[object]
        properties = entry["properties"]
        known = {each["name"]: each for each in PROPERTIES[object]}
        if not all(isinstance(value, str) for value in properties.values()):
            self.broken.append("a value that is no string")
            raise InputError("VALIDATION_ERROR", "INVALID_FORMAT")
        for name, value in properties.items():
            if name not in known:
                raise InputError("VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST")
            if value and known[name]["type"] == "enumeration" and value not in OPTIONS:
                raise InputError("VALIDATION_ERROR", "INVALID_OPTION")
            if name == "email" and value and not re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", value):
                raise InputError("VALIDATION_ERROR", "INVALID_EMAIL")
        record = None
        if verb == "update":
            record = self._follow(object, entry["id"])
            if record is None:
                raise InputError("OBJECT_NOT_FOUND", ids=[entry["id"]])
        elif verb == "upsert":
            record = self._by_property(object, entry["idProperty"], entry["id"])
            properties = {entry["idProperty"]: entry["id"], **properties}
        for name in ("email", "kinship_id"):
            other = self._by_property(object, name, properties.get(name, ""))
            if other is not None and other is not record:
                raise InputError("CONFLICT")
        if properties.get("email", "").lower() in self.blocked:
            raise InputError("VALIDATION_ERROR", "BLOCKED_EMAIL")
        is_new = record is None
        if record is None:
            record = Record(str(next(self._ids)), {})
            records[record.id] = record
        for name, value in properties.items():
            record.properties[name] = value.lower() if name == "email" else value
            if not value:
                del record.properties[name]
        record.changed_at = datetime.now(UTC)
        return record, is_new

    def _follow(self, object: str, record_id: str) -> Record | None:
        """The live record that an id leads to, merges followed."""
        record = self.records[object].get(record_id)
        while record is not None and record.merged_into is not None:
            record = self.records[object][record.merged_into]
        return None if record is None or record.archived else record

    def _by_property(self, object: str, name: str, value: str) -> Record | None:
        value = value.lower()
        for record in self.live(object) if value else ():
            values = [record.properties.get(name, "")]
            if name == "email":
                values += record.properties.get("hs_additional_emails", "").split(";")
            if value in [each.lower() for each in values]:
                return record
        return None

    def _read(self, request: Request, object: str) -> Answer:
        inputs = self._inputs(request)
        if isinstance(inputs, Answer):
            return inputs
        asked = request.json()
        name = asked.get("idProperty")
        found: dict[str, Record] = {}
        missing = []
        for entry in inputs:
            record = self._by_property(object, name, entry["id"]) if name else self._follow(object, entry["id"])
            if record is None:
                missing.append(entry["id"])
            else:
                found[record.id] = record
        results = [record.shape(asked["properties"]) for record in found.values()]
        return batch(results, [problem("OBJECT_NOT_FOUND", ids=missing)] if missing else [])

    def _archive(self, request: Request, object: str) -> Answer:
        inputs = self._inputs(request)
        if isinstance(inputs, Answer):
            return inputs
        for entry in inputs:
            # an unknown id is passed over, and an id that was merged away leads nowhere here
            if (record := self.records[object].get(entry["id"])) is not None and not self.is_silent:
                record.archived, record.archived_at = True, datetime.now(UTC)
        return Answer(204)

    def _merge(self, request: Request, object: str) -> Answer:
        asked = request.json()
        pair = [self._follow(object, asked[name]) for name in ("primaryObjectId", "objectIdToMerge")]
        primary, merged = pair
        if primary is None or merged is None or primary is merged:
            return Answer(400, problem("VALIDATION_ERROR"))
        emails = [merged.properties.get("email", "")]
        emails += [old.properties.get("hs_additional_emails", "") for old in (primary, merged)]
        both = self.add(object, **(merged.properties | primary.properties))
        both.properties["hs_additional_emails"] = ";".join(email for email in emails if email)
        both.properties["hs_merged_object_ids"] = f"{primary.id};{merged.id}"
        for old in (primary, merged):
            old.archived, old.merged_into = True, both.id
        return Answer(200, both.shape())

    def _search(self, request: Request, object: str) -> Answer:
        asked = request.json()
        if asked["limit"] > 200:
            self.broken.append("more than 200 records on a page")
            return Answer(400, problem("VALIDATION_ERROR"))
        (group,) = asked["filterGroups"]
        found = [record for record in self.live(object) if record.id not in self.unseen]
        for rule in group["filters"]:
            name, value = rule["propertyName"], rule["value"]
            if rule["operator"] == "EQ":
                found = [record for record in found if record.properties.get(name) == value]
            elif rule["operator"] == "GT":
                found = [record for record in found if int(record.id) > int(value)]
            else:
                is_since = rule["operator"] == "GTE"
                found = [record for record in found if (record.changed_at.timestamp() * 1000 >= int(value)) == is_since]
        found.sort(key=lambda record: int(record.id))
        page = [record.shape(asked["properties"]) for record in found[: asked["limit"]]]
        self.turned()
        return Answer(200, {"total": len(found), "results": page})

    def _listed(self, request: Request, object: str) -> Answer:
        """A list in the order of ids. Merged records are in none."""
        query = request.query
        size = int(query.get("limit", "10"))
        if size > 100:
            self.broken.append("more than 100 records on a page")
            return Answer(400, problem("VALIDATION_ERROR"))
        wants_archived = query.get("archived") == "true"
        found = [
            record for record in self.records[object].values()
            if record.archived == wants_archived and record.merged_into is None
            and int(record.id) > int(query.get("after", "0"))
        ]  # fmt: skip
        found.sort(key=lambda record: int(record.id))
        page = [record.shape(query["properties"].split(",")) for record in found[:size]]
        paging = {"paging": {"next": {"after": page[-1]["id"]}}} if len(found) > size else {}
        return Answer(200, {"results": page} | paging)

    def _beside(self, request: Request, object: str, other: str) -> Answer:
        """Two associations of a record on a page; a record without any is not answered."""
        results, errors = [], []
        for entry in request.json()["inputs"]:
            record = self.records[object][entry["id"]]
            ids = sorted({id for id, _ in record.beside.get(other, [])})
            ids = [id for id in ids if id > entry.get("after", "")]
            if not ids and "after" not in entry:
                errors.append(problem("OBJECT_NOT_FOUND", ids=[record.id]))
                continue
            to = [
                {
                    "toObjectId": id,
                    "associationTypes": [
                        {"category": "HUBSPOT_DEFINED", "typeId": kind, "label": None}
                        for one, kind in record.beside[other] if one == id
                    ],
                }
                for id in ids[:2]
            ]  # fmt: skip
            paging = {"paging": {"next": {"after": ids[1]}}} if len(ids) > 2 else {}
            results.append({"from": {"id": record.id}, "to": to} | paging)
        return batch(results, errors)

    def _subscribed(self, request: Request) -> Answer:
        emails = request.json()["inputs"]
        if request.query.get("channel") != "EMAIL" or len(emails) > 100:
            self.broken.append("subscriptions asked for as they cannot be")
            return Answer(400, problem("VALIDATION_ERROR"))
        return batch([{"subscriberIdString": email, "statuses": self.subscriptions.get(email, [])} for email in emails])

    def _gdpr_delete(self, request: Request, object: str) -> Answer:
        asked = request.json()
        if object != "contacts":
            return Answer(404, problem("OBJECT_NOT_FOUND"))
        if "idProperty" in asked:
            record = self._by_property(object, asked["idProperty"], asked["objectId"])
            if record is None:
                self.blocked.add(asked["objectId"].lower())
                return Answer(204)
        else:
            record = self._follow(object, asked["objectId"])
            if record is None:
                return Answer(404, problem("OBJECT_NOT_FOUND"))
        del self.records[object][record.id]
        return Answer(204)

    def _unsubscribed(self, request: Request) -> Answer:
        if request.query.get("channel") != "EMAIL":
            return Answer(400, problem("VALIDATION_ERROR"))
        results = []
        for email in request.json()["inputs"]:
            at = self.opted_out.get(email)
            status = "UNSUBSCRIBED" if at else "NOT_SPECIFIED"
            wide = {
                "channel": "EMAIL", "status": status, "subscriberIdString": email,
                "timestamp": (at or datetime.now(UTC)).isoformat(), "wideStatusType": "PORTAL_WIDE",
            }  # fmt: skip
            results.append({"subscriberIdString": email, "wideStatuses": [wide]})
        return batch(results)

    def _list(self, _: Request, list_id: str) -> Answer:
        if (found := self.lists.get(list_id)) is None:
            return Answer(404, problem("OBJECT_NOT_FOUND"))
        shape = {"listId": list_id, "processingType": found.processing, "objectTypeId": found.object_type}
        return Answer(200, {"list": shape})

    def _members(self, request: Request, list_id: str, verb: str) -> Answer:
        found = self.lists[list_id]
        if found.processing == "DYNAMIC":
            return Answer(400, problem("VALIDATION_ERROR"))
        ids = request.json()
        there = {record.id for record in self.live()}
        missing = [record for record in ids if record not in there]
        if verb == "add":
            changed = [record for record in ids if record in there - found.members]
            told = {"recordsIdsAdded": changed, "recordIdsRemoved": [], "recordIdsMissing": missing}
        else:
            changed = [record for record in ids if record in there & found.members]
            told = {"recordsIdsAdded": [], "recordIdsRemoved": changed, "recordIdsMissing": missing}
        if self.is_silent:
            return Answer(200, {"recordsIdsAdded": [], "recordIdsRemoved": [], "recordIdsMissing": missing})
        found.members = found.members | set(changed) if verb == "add" else found.members - set(changed)
        return Answer(200, told)

    def _memberships(self, request: Request) -> Answer:
        results = []
        for entry in request.json()["inputs"]:
            inside = [
                {"listId": list_id, "listVersion": 1}
                for list_id, found in self.lists.items()
                if entry["recordId"] in found.members
            ]
            results.append({**entry, "recordListMemberships": inside})
        return batch(results)


def problem(category: str, code: str = "", **context: list[str]) -> dict[str, Any]:
    """An error as HubSpot tells it; its message quotes the value that it does not like."""
    quoted = f' values were not valid: [{{"isValid":false,"error":"{code}","message":"Secretname is not"}}]'
    return {
        "status": "error", "category": category, "message": "Property" + (quoted if code else "Secretname"),
        "correlationId": "c0", "context": context, "links": {}, "errors": [],
    }  # fmt: skip


def batch(results: list[dict[str, Any]], errors: list[dict[str, Any]] | None = None, status: int = 200) -> Answer:
    told = {"status": "COMPLETE", "results": results, "startedAt": "2026-01-01T00:00:00Z"}
    if errors:
        return Answer(207, told | {"errors": errors, "numErrors": len(errors)})
    return Answer(status, told)


class Contacts(Case):
    sync = {"object": "contacts", "key": "email", "options": QUICK}  # noqa: RUF012
    value = "kinship_stage"

    def server(self, folder: Path) -> AbstractContextManager[HubspotServer]:
        return HubspotServer()

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "kinship_stage": value, "kinship_tier": OPTIONS[n % 2]}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "kinship_tier": "lead"}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_HUBSPOT_ACCESS_TOKEN": "pat-eu1-wrong"}

    def before(self, server: Any, n: int) -> None:
        server.add(email=self.key(n), lastname="theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        properties = [record.properties for record in server.live()]
        return sorted((each["email"], each["kinship_stage"]) for each in properties if each.get("kinship_stage"))


class Companies(Contacts):
    sync = {"object": "companies", "key": "kinship_id", "options": QUICK}  # noqa: RUF012

    def key(self, n: int) -> str:
        return f"account-{n}"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"kinship_id": self.key(n), "name": f"Company {n}", "kinship_stage": value}

    def poisoned(self, n: int) -> None:
        return None

    def before(self, server: Any, n: int) -> None:
        server.add("companies", kinship_id=self.key(n), name="theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        properties = [record.properties for record in server.live("companies")]
        return sorted((each["kinship_id"], each["kinship_stage"]) for each in properties if each.get("kinship_stage"))


class Lists(Case):
    """A static list; its people are contacts already."""

    is_membership = True
    sync = {"object": "lists", "key": "email", "options": {**QUICK, "list_id": "7"}}  # noqa: RUF012
    value = ""

    @contextmanager
    def server(self, folder: Path) -> Iterator[HubspotServer]:
        with HubspotServer() as server:
            for n in range(100):
                server.add(email=self.key(n))
            yield server

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n)}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_HUBSPOT_ACCESS_TOKEN": "pat-eu1-wrong"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        contacts = server.records["contacts"]
        return sorted((contacts[record].properties["email"], "") for record in server.lists["7"].members)
