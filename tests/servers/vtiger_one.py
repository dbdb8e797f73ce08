"""The cases of `vtiger_one`: the cloud edition's REST API before the records of vtiger_server.py, with its limits."""

import base64
import json
import time
from pathlib import Path
from typing import Any, ClassVar

from vtiger_server import USER_ID, Refused, Vtiger

from servers.base import Answer, Request, ToolServer
from servers.case import Case

USER, ACCESS_KEY = "ana@example.org", "0neAccessKey"
API = "/restapi/v1/vtiger/default/"
_GET = {"me", "listtypes", "describe", "query", "retrieve"}
_POST = {"create", "revise", "delete", "tags_add", "tags_delete"}


class One(ToolServer):
    def __init__(self) -> None:
        super().__init__()
        self.crm = Vtiger()
        self.tags: dict[str, set[str]] = {}
        self.day_limit: int | None = None
        """Calls until 429 for the day."""
        self.minute: tuple[int, float] | None = None
        """Calls in so many seconds, told in the headers of every answer."""
        self._minute_began, self._minute_calls = 0.0, 0

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_VTIGER_ONE_URL": self.url,
            "KINSHIP_VTIGER_ONE_USER": USER,
            "KINSHIP_VTIGER_ONE_ACCESS_KEY": ACCESS_KEY,
        }

    def count(self, operation: str) -> int:
        return sum(request.path == API + operation for request in self.requests)

    def handle(self, request: Request) -> Answer:
        headers = self._spend()
        if headers.get("X-RateLimit-Remaining") == "-1" or headers.get("X-FloodControl-Remaining") == "-1":
            if headers.get("X-FloodControl-Remaining") == "-1":
                self.broken.append("more calls than the minute had left")
            return Answer(429, {}, {name: value.replace("-1", "0") for name, value in headers.items()})
        given = base64.b64encode(f"{USER}:{ACCESS_KEY}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {given}":
            return Answer(401, b"", headers, "Unauthorized")
        operation = request.path.removeprefix(API)
        if operation not in (_GET if request.method == "GET" else _POST):
            return Answer(404, b"<html>", headers, "Not Found")
        if request.method == "POST" and request.headers.get("content-type") != "application/x-www-form-urlencoded":
            self.broken.append("no form")
        parameters = request.query if request.method == "GET" else request.form()
        try:
            if self.is_silent and request.method == "POST":
                return Answer(200, {"success": True, "result": None}, headers)
            return Answer(200, {"success": True, "result": self._answer(operation, parameters)}, headers)
        except Refused as refused:
            # the message quotes what was sent, as a real one may
            return Answer(400, b"", headers, f"{refused.code} {refused} for {parameters.get('element', '')[:40]!a}")

    def _spend(self) -> dict[str, str]:
        headers = {}
        if self.day_limit is not None:
            self.day_limit = max(-1, self.day_limit - 1)
            headers["X-RateLimit-Remaining"] = str(self.day_limit)
        if self.minute is not None:
            calls, seconds = self.minute
            now = time.time()
            if now >= self._minute_began + seconds:
                self._minute_began, self._minute_calls = now, 0
            self._minute_calls += 1
            headers["X-FloodControl-MinuteLimit"] = str(calls)
            headers["X-FloodControl-Remaining"] = str(max(-1, calls - self._minute_calls))
            headers["X-FloodControl-Reset"] = str(self._minute_began + seconds)
        return headers

    def _answer(self, operation: str, parameters: dict[str, str]) -> Any:
        if operation == "me":
            return {"id": USER_ID, "user_name": USER}
        if operation in ("tags_add", "tags_delete"):
            self.crm._record(parameters["id"])
            tags = set(json.loads(parameters["tags"]))
            held = self.tags.setdefault(parameters["id"], set())
            self.tags[parameters["id"]] = held | tags if operation == "tags_add" else held - tags
            return {"message": "done"}
        return getattr(self.crm, f"_{operation}")(parameters)

    def tagged(self, tag: str) -> list[str]:
        """The e-mails of the live records that carry a tag, one for each record."""
        return sorted(record["email"] for record in self.crm.live() if tag in self.tags.get(record["id"], ()))


class Contacts(Case):
    sync: ClassVar[dict[str, Any]] = {
        "object": "Contacts",
        "key": "email",
        "options": {"settle_seconds": 0.05, "edition": "enterprise", "users": 50, "requests_per_second": 5000},
    }
    value = "cf_kinship_stage"

    def server(self, folder: Path) -> One:
        return One()

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "lastname": f"O'Neil {n}", "cf_kinship_stage": value}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "lead"), "lastname": None}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_VTIGER_ONE_ACCESS_KEY": "wrong"}

    def before(self, server: Any, n: int) -> None:
        server.crm.add(email=self.key(n), lastname="theirs")

    def content(self, server: Any) -> list[tuple[str, str]]:
        live = server.crm.live()
        return sorted((record["email"], record["cf_kinship_stage"]) for record in live if record["cf_kinship_stage"])


class Tagged(Contacts):
    """A segment as a tag: who leaves loses the tag, and the record stays."""

    weathers = 1

    sync: ClassVar[dict[str, Any]] = {
        **Contacts.sync,
        "options": {**Contacts.sync["options"], "tag": "vip"},
    }

    def content(self, server: Any) -> list[tuple[str, str]]:
        tagged = [record for record in server.crm.live() if "vip" in server.tags.get(record["id"], ())]
        return sorted((record["email"], record["cf_kinship_stage"]) for record in tagged)
