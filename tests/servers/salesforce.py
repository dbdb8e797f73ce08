"""Salesforce on loopback: OAuth, describe, SOQL, composite calls and bulk jobs, with the limits of the real ones."""

import csv
import io
import itertools
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from servers.base import Answer, Request, ToolServer
from servers.case import Case

CLIENT_ID = "3MVG9right"
CLIENT_SECRET = "client-secret-right"
REFRESH_TOKEN = "5Aep861right"
DATA = "/services/data/v64.0"
SOQL = re.compile(r"SELECT (.+) FROM (\w+) WHERE (.+)", re.DOTALL)
IN = re.compile(r"(\w+) IN \((.*)\)", re.DOTALL)
STRING = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def described(name: str, type: str = "string", length: int = 255, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "type": type, "length": length, "createable": True, "updateable": True, "nillable": True,
        "defaultedOnCreate": False, "externalId": False, "idLookup": False, "unique": False, "caseSensitive": False,
        "custom": name.endswith("__c"),
    } | more  # fmt: skip


READ_ONLY = {"createable": False, "updateable": False}
EXTERNAL = {"externalId": True, "idLookup": True, "unique": True}
CONTACT = [
    described("Id", "id", idLookup=True, nillable=False, **READ_ONLY),
    described("LastName", length=80, nillable=False),
    described("FirstName", length=40),
    described("Email", "email", idLookup=True),
    described("OwnerId", "reference", nillable=False, defaultedOnCreate=True),
    described("HasOptedOutOfEmail", "boolean", nillable=False, defaultedOnCreate=True),
    described("LastModifiedDate", "datetime", nillable=False, **READ_ONLY),
    described("Kinship_Id__c", **EXTERNAL),
    described("Exact_Id__c", **EXTERNAL | {"caseSensitive": True}),
    described("Number__c", "double", **EXTERNAL),
    described("Stage__c"),
    described("Vip__c", "boolean", nillable=False, defaultedOnCreate=True),
    described("Seen__c", "datetime"),
    described("Score__c", "double"),
]


@dataclass
class Record:
    id: str
    fields: dict[str, Any]
    is_deleted: bool = False
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def value(self, name: str) -> Any:
        stamp = self.changed_at.isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        return {"Id": self.id, "LastModifiedDate": stamp}.get(name, self.fields.get(name))


@dataclass
class Job:
    id: str
    operation: str
    key: str | None
    state: str = "Open"
    rows: list[dict[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    due_at: float = 0.0
    good: list[list[str]] = field(default_factory=list)
    bad: list[list[str]] = field(default_factory=list)
    left: list[list[str]] = field(default_factory=list)


class RowError(Exception):
    def __init__(self, code: str, *fields: str) -> None:
        super().__init__(code)
        self.code, self.fields = code, list(fields)


class SalesforceServer(ToolServer):
    def __init__(self, job_seconds: float = 0.01, per_day: int | None = None) -> None:
        self.job_seconds = job_seconds
        """How long a job takes; it goes on when nobody asks."""
        self.per_day = per_day
        self.records: dict[str, Record] = {}
        self.jobs: dict[str, Job] = {}
        self.sessions: set[str] = set()
        self.locked: dict[str, int] = {}
        """Keys whose records are locked, for so many more attempts."""
        self.fails_after: int | None = None
        """A job breaks down after so many rows."""
        self.allows_hard_delete = True
        self.has_duplicate_rule = False
        """Contacts with an e-mail that another has are refused."""
        self.served = 0
        self._ids = itertools.count(1)
        super().__init__()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_SALESFORCE_URL": self.url,
            "KINSHIP_SALESFORCE_CLIENT_ID": CLIENT_ID,
            "KINSHIP_SALESFORCE_CLIENT_SECRET": CLIENT_SECRET,
        }

    def add(self, **fields: Any) -> Record:
        """A contact that somebody made in the user interface."""
        record = Record(f"003{next(self._ids):012d}AAA", {"HasOptedOutOfEmail": False, "Vip__c": False} | fields)
        self.records[record.id] = record
        return record

    def live(self) -> list[Record]:
        return [record for record in self.records.values() if not record.is_deleted]

    def count(self, method: str, pattern: str) -> int:
        return sum(r.method == method and re.search(pattern, r.path) is not None for r in self.requests)

    def handle(self, request: Request) -> Answer:
        self._work()
        if len(request.path) + len(urlencode(request.query)) > 16_384:
            self.broken.append(f"a URL of more than 16,384 bytes: {request.path}")
            return Answer(414, b"")
        if request.path == "/services/oauth2/token":
            return self._token(request.form())
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.sessions:
            return problem(401, "INVALID_SESSION_ID")
        self.served += 1
        if self.per_day is not None and self.served > self.per_day:
            return problem(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", r"/limits", self._limits),
            ("GET", r"/sobjects/(\w+)/describe", self._describe),
            ("GET", r"/query", self._query),
            ("GET", r"/query/(\d+)-(\d+)", self._more),
            ("PATCH", r"/composite/sobjects", self._update),
            ("PATCH", r"/composite/sobjects/Contact/(\w+)", self._upsert),
            ("DELETE", r"/composite/sobjects", self._delete),
            ("POST", r"/composite/sobjects/Contact", self._retrieve),
            ("POST", r"/jobs/ingest", self._create_job),
            ("PUT", r"/jobs/ingest/(\w+)/batches", self._upload),
            ("PATCH", r"/jobs/ingest/(\w+)", self._change_job),
            ("GET", r"/jobs/ingest/(\w+)", self._job),
            ("GET", r"/jobs/ingest/(\w+)/(successfulResults|failedResults|unprocessedrecords)", self._results),
        ]
        for method, pattern, answer in routes:
            match = re.fullmatch(DATA + pattern, request.path)
            if request.method == method and match:
                return answer(request, *match.groups())
        return problem(404, "NOT_FOUND")

    def _token(self, form: dict[str, str]) -> Answer:
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return Answer(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != REFRESH_TOKEN:
            return Answer(400, {"error": "invalid_grant", "error_description": "expired access/refresh token"})
        token = f"00D!session{next(self._ids)}"
        self.sessions.add(token)
        return Answer(200, {"access_token": token, "instance_url": self.url, "token_type": "Bearer"})

    def _limits(self, _: Request) -> Answer:
        return Answer(200, {"DailyApiRequests": {"Max": 100_000, "Remaining": 99_000}})

    def _describe(self, _: Request, object: str) -> Answer:
        return Answer(200, {"name": object, "fields": CONTACT}) if object == "Contact" else problem(404, "NOT_FOUND")

    def _query(self, request: Request) -> Answer:
        match = SOQL.fullmatch(request.query["q"])
        if match is None:
            return problem(400, "MALFORMED_QUERY")
        self.names = match[1].split(", ")
        self.found = [record for record in self.live() if self._matches(record, match[3])]
        return self._page(0)

    def _more(self, _: Request, __: str, start: str) -> Answer:
        return self._page(int(start))

    def _page(self, start: int) -> Answer:
        page = [{name: record.value(name) for name in self.names} for record in self.found[start : start + 200]]
        answer = {"totalSize": len(self.found), "done": start + 200 >= len(self.found), "records": page}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"{DATA}/query/01-{start + 200}"
        return Answer(200, answer)

    def _matches(self, record: Record, condition: str) -> bool:
        if match := IN.fullmatch(condition):
            value = record.value(match[1])
            if isinstance(value, float):
                return str(int(value)) in match[2].split(",")
            wanted = [re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text) for text in STRING.findall(match[2])]
            return value is not None and value.lower() in [text.lower() for text in wanted]
        if not record.fields["HasOptedOutOfEmail"]:
            return False
        since = re.search(r"LastModifiedDate >= (\S+)", condition)
        return since is None or record.changed_at >= datetime.fromisoformat(since[1])

    def _sized(self, count: int) -> Answer | None:
        if count <= 200:
            return None
        self.broken.append(f"{count} records in a collection")
        return problem(400, "EXCEEDED_MAX_SIZE_REQUEST")

    def _update(self, request: Request) -> Answer:
        records = request.json()["records"]
        return self._sized(len(records)) or Answer(200, [self._one("update", None, each) for each in records])

    def _upsert(self, request: Request, key: str) -> Answer:
        records = request.json()["records"]
        return self._sized(len(records)) or Answer(200, [self._one("upsert", key, each) for each in records])

    def _delete(self, request: Request) -> Answer:
        ids = request.query["ids"].split(",")
        return self._sized(len(ids)) or Answer(200, [self._one("delete", None, {"id": each}) for each in ids])

    def _one(self, operation: str, key: str | None, record: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in record.items() if name not in ("attributes", "id")}
        if self.is_silent:
            return {"success": True, "id": "003000000000000AAA", "errors": []}
        try:
            record_id, is_new = self._apply(operation, key, record.get("id"), values)
        except RowError as error:
            told = {"statusCode": error.code, "message": "Secretname is not", "fields": error.fields}
            return {"success": False, "errors": [told]}
        return {"success": True, "id": record_id, "errors": []} | ({"created": is_new} if key else {})

    def _apply(
        self, operation: str, key: str | None, record_id: str | None, values: dict[str, Any]
    ) -> tuple[str, bool]:
        record: Record | None
        if key is None:
            record = self.records.get(record_id or "")
            if record is None:
                raise RowError("INVALID_CROSS_REFERENCE_KEY")
            if record.is_deleted:
                raise RowError("ENTITY_IS_DELETED")
        else:
            same = [each for each in self.live() if str(each.fields.get(key, "")).lower() == str(values[key]).lower()]
            if len(same) > 1:
                raise RowError("DUPLICATE_EXTERNAL_ID", key)
            record = same[0] if same else None
        name = str(record.fields.get("Kinship_Id__c") if record else values.get("Kinship_Id__c"))
        if self.locked.get(name, 0) > 0:
            self.locked[name] -= 1
            raise RowError("UNABLE_TO_LOCK_ROW")
        if operation in ("delete", "hardDelete") and record is not None:
            record.is_deleted = True
            if operation == "hardDelete":
                del self.records[record.id]
            return record.id, False
        self._check(values, record)
        is_new = record is None
        if record is None:
            record = self.add()
        record.fields.update({"Email": values["Email"].lower()} if values.get("Email") else {})
        record.fields.update({name: value for name, value in values.items() if name != "Email" or not value})
        record.changed_at = datetime.now(UTC)
        return record.id, is_new

    def _check(self, values: dict[str, Any], record: Record | None) -> None:
        known = {each["name"]: each for each in CONTACT}
        for name, value in values.items():
            if name not in known:
                raise RowError("INVALID_FIELD", name)
            if known[name]["unique"] and value is not None:
                others = [other for other in self.live() if other is not record]
                if any(str(other.fields.get(name, "")).lower() == str(value).lower() for other in others):
                    raise RowError("DUPLICATE_VALUE", name)
            if isinstance(value, str) and len(value) > known[name]["length"]:
                raise RowError("STRING_TOO_LONG", name)
        if (record is None and not values.get("LastName")) or values.get("LastName", "") is None:
            raise RowError("REQUIRED_FIELD_MISSING", "LastName")
        email = values.get("Email")
        if self.has_duplicate_rule and record is None and email in [each.fields.get("Email") for each in self.live()]:
            raise RowError("DUPLICATES_DETECTED")

    def _retrieve(self, request: Request) -> Answer:
        asked = request.json()
        found = [self.records.get(record_id) for record_id in asked["ids"]]
        return Answer(200, [
            None if record is None or record.is_deleted else {name: record.value(name) for name in asked["fields"]}
            for record in found
        ])  # fmt: skip

    def _create_job(self, request: Request) -> Answer:
        asked = request.json()
        if asked["operation"] == "hardDelete" and not self.allows_hard_delete:
            return problem(400, "FEATURENOTENABLED")
        job = Job(f"750{next(self._ids):012d}", asked["operation"], asked.get("externalIdFieldName"))
        self.jobs[job.id] = job
        return Answer(200, {"id": job.id, "state": job.state, "contentUrl": f"{DATA[1:]}/jobs/ingest/{job.id}/batches"})

    def _upload(self, request: Request, job_id: str) -> Answer:
        job = self.jobs[job_id]
        if len(request.body) > 100_000_000:
            self.broken.append("an upload of more than 100 MB")
        elif job.state == "Open" and not job.rows:
            reader = csv.DictReader(io.StringIO(request.body.decode(), newline=""))
            job.rows, job.columns = list(reader), list(reader.fieldnames or ())
            return Answer(201, b"")
        return problem(400, "INVALIDJOBSTATE")

    def _change_job(self, request: Request, job_id: str) -> Answer:
        job, state = self.jobs[job_id], request.json()["state"]
        if job.state != "Open" or state not in ("UploadComplete", "Aborted"):
            return problem(400, "INVALIDJOBSTATE")
        job.state = state
        job.due_at = time.monotonic() + self.job_seconds
        return Answer(200, {"id": job.id, "state": job.state})

    def _job(self, _: Request, job_id: str) -> Answer:
        job = self.jobs.get(job_id)
        return problem(404, "NOT_FOUND") if job is None else Answer(200, {"id": job.id, "state": job.state})

    def _results(self, _: Request, job_id: str, name: str) -> Answer:
        job = self.jobs[job_id]
        if job.state not in ("JobComplete", "Failed", "Aborted"):
            return problem(400, "INVALIDJOBSTATE")
        first = {"successfulResults": ["sf__Id", "sf__Created"], "failedResults": ["sf__Id", "sf__Error"]}
        rows = {"successfulResults": job.good, "failedResults": job.bad}.get(name, job.left)
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [[*first.get(name, []), *job.columns], *rows]
        )
        return Answer(200, text.getvalue().encode(), {"Content-Type": "text/csv"})

    def _work(self) -> None:
        """Do the jobs whose time has come."""
        for job in self.jobs.values():
            if job.state == "UploadComplete" and time.monotonic() >= job.due_at - self.job_seconds / 2:
                job.state = "InProgress"
            if job.state != "InProgress" or time.monotonic() < job.due_at:
                continue
            for position, row in enumerate(job.rows):
                cells = list(row.values())
                if self.fails_after is not None and position >= self.fails_after:
                    job.left.append(cells)
                    continue
                values = {n: None if v == "#N/A" else typed(n, v) for n, v in row.items() if n != "Id" and v != ""}
                try:
                    record_id, is_new = self._apply(job.operation, job.key, row.get("Id"), values)
                    job.good.append([record_id, str(is_new).lower(), *cells])
                except RowError as error:
                    told = f"{error.code}:Secretname is: not:{' '.join(error.fields)} --".replace(": --", ":--")
                    job.bad.append([row.get("Id", ""), told, *cells])
            job.state = "JobComplete" if self.fails_after is None else "Failed"


def typed(name: str, text: str) -> Any:
    """A cell as its field keeps it."""
    kind = next((each["type"] for each in CONTACT if each["name"] == name), "string")
    return {"boolean": lambda value: value == "true", "double": float}.get(kind, str)(text)


def problem(status: int, code: str, message: str = "Secretname is not") -> Answer:
    return Answer(status, [{"errorCode": code, "message": message}])


class Composite(Case):
    sync = {"object": "Contact", "key": "Kinship_Id__c", "options": {"settle_seconds": 0.01, "poll_seconds": 0.004}}  # noqa: RUF012
    value = "Stage__c"

    def server(self, folder: Path) -> AbstractContextManager[SalesforceServer]:
        return SalesforceServer()

    def key(self, n: int) -> str:
        return f"c-{n}"

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"Kinship_Id__c": self.key(n), "LastName": f"O'Neil {n}", "Stage__c": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "LastName": None}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_SALESFORCE_CLIENT_SECRET": "client-secret-wrong"}

    def before(self, server: Any, n: int) -> None:
        server.add(Kinship_Id__c=self.key(n), LastName="theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        fields = [record.fields for record in server.live()]
        return sorted((each["Kinship_Id__c"], each["Stage__c"]) for each in fields if each.get("Stage__c"))


class Bulk(Composite):
    weathers = 2  # eight calls a batch
    sync = {**Composite.sync, "options": {**Composite.sync["options"], "bulk_from": 1}}  # noqa: RUF012
