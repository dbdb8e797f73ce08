"""The case of `meta`: a custom audience that counts invalid entries without naming them, and cannot be read."""

import hashlib
import re
from typing import Any

from servers.base import Answer, Request, ToolServer
from servers.case import Case

TOKEN = "EAAB-right"
AUDIENCE = "120210000000000001"
HASHED = frozenset({"EMAIL", "PHONE", "FN", "LN", "CT", "ST", "ZIP", "COUNTRY", "GEN", "DOBY", "DOBM", "DOBD"})
PLAIN = frozenset({"MADID", "EXTERN_ID"})
EMPTY = hashlib.sha256(b"").hexdigest()


class MetaServer(ToolServer):
    """`members`: rows as they were sent, by column; a person is who matches in any of the identifying columns."""

    def __init__(self) -> None:
        super().__init__()
        self.members: list[dict[str, str]] = []
        self.error: tuple[int, dict[str, Any], dict[str, str]] | None = None
        """An answer to every call: status, error, headers."""
        self.subtype = "CUSTOM"
        self.status = 200
        self.deaf = 0
        """Entries at the end of a call that the server does not receive."""

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_META_URL": self.url, "KINSHIP_META_ACCESS_TOKEN": TOKEN}

    def too_many(self) -> Answer:
        # throttling is HTTP 400 at this tool
        wait = self.faults.retry_after
        return self.refusal(400, 17, 2446079, headers={} if wait is None else {"Retry-After": str(wait)})

    @staticmethod
    def refusal(status: int, code: int, subcode: int | None = None, headers: dict[str, str] | None = None) -> Answer:
        error = {"message": "Somebody's data may be quoted here", "type": "OAuthException", "code": code,
                 "error_subcode": subcode, "fbtrace_id": "A1"}  # fmt: skip
        return Answer(status, {"error": error}, headers or {})

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.refusal(400, 190, 463)
        if self.error is not None:
            status, error, headers = self.error
            return Answer(status, {"error": error}, headers)
        path = re.fullmatch(r"/v\d+\.\d+/(\w+)(/users)?", request.path)
        if path is None or path[1] not in (AUDIENCE, "me"):
            return self.refusal(400, 100, 33)
        if request.method == "GET":
            return Answer(
                body={"id": path[1], "subtype": self.subtype, "operation_status": {"code": self.status}}
                if path[1] == AUDIENCE
                else {"id": "1"}
            )
        return self._users(request.method, request.json())

    def _users(self, method: str, asked: dict[str, Any]) -> Answer:
        schema, data, session = asked["payload"]["schema"], asked["payload"]["data"], asked["session"]
        if len(data) > 10_000:
            self.broken.append(f"{len(data)} entries in a call")
            return self.refusal(400, 105)
        if not set(schema) <= HASHED | PLAIN or any(len(entry) != len(schema) for entry in data):
            self.broken.append("data does not match the schema")
            return self.refusal(400, 100)
        if asked["payload"].get("is_raw") is not True:
            self.broken.append("several keys in one column")
        for name, kind in (("session_id", int), ("batch_seq", int), ("last_batch_flag", bool)):
            if not isinstance(session.get(name), kind):
                self.broken.append(f"session without {name}")
                return self.refusal(400, 100)
        received = data[: len(data) - self.deaf]
        invalid = 0
        for entry in received:
            cells = dict(zip(schema, entry, strict=True))
            if EMPTY in entry:
                self.broken.append("the hash of nothing")
            if not self._valid(cells):
                invalid += 1
            elif not self.is_silent:
                self._remove(cells)
                if method == "POST":
                    self.members.append(cells)
        samples = {"0": "a sample"} if invalid else {}
        return Answer(body={"audience_id": AUDIENCE, "session_id": str(session["session_id"]),
                            "num_received": len(received), "num_invalid_entries": invalid,
                            "invalid_entry_samples": samples})  # fmt: skip

    @staticmethod
    def _valid(cells: dict[str, str]) -> bool:
        # a device id has the form of a UUID, a hash 64 hexadecimal digits
        device = cells.get("MADID", "")
        return (
            any(cells.values())
            and all(not cells.get(name) or re.fullmatch(r"[0-9a-f]{64}", cells[name]) for name in HASHED)
            and (not device or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", device) is not None)
        )

    def _remove(self, cells: dict[str, str]) -> None:
        same = [name for name in ("EMAIL", "PHONE", "MADID") if cells.get(name)] or ["EXTERN_ID"]
        self.members = [
            member for member in self.members if not any(member.get(name) == cells.get(name) for name in same)
        ]


class Audience(Case):
    sync = {"object": AUDIENCE, "key": "EMAIL"}  # noqa: RUF012
    # the one column that is neither hashed nor normalised
    value = "EXTERN_ID"

    def server(self, folder: Any) -> MetaServer:
        return MetaServer()

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"EMAIL": f" {self.key(n).upper()} ", "EXTERN_ID": value, "FN": f"Ána {n}", "MADID": None}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "x"), "MADID": "no device"}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_META_ACCESS_TOKEN": "EAAB-wrong"}

    def content(self, server: Any) -> list[tuple[str, str]]:
        people = {hashlib.sha256(self.key(n).encode()).hexdigest(): self.key(n) for n in range(200)}
        return sorted((people[member["EMAIL"]], member["EXTERN_ID"]) for member in server.members)
