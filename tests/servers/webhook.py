"""The cases of `webhook`: a receiver that checks signatures, keeps what it got by key, and repeats an answer by its
Idempotency-Key; it refuses a call whole, or row by row in `results`."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, ClassVar

from servers.base import Answer, Request, ToolServer
from servers.case import Case

SECRET = "a-secret-of-the-receiver"


class Receiver(ToolServer):
    def __init__(self, row_results: bool = False) -> None:
        super().__init__()
        self.row_results = row_results
        self.records: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[str, str]] = []
        """Operation and key of each row, in the order in which they took effect."""
        self.answers: dict[str, tuple[bytes, Answer]] = {}
        self.status: int | None = None
        """Answer everything with this status."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_WEBHOOK_URL": f"{self.url}/people?token=of-the-path",
            "KINSHIP_WEBHOOK_SECRET": SECRET,
            "KINSHIP_WEBHOOK_ALLOW": "127.0.0.1",
        }

    def handle(self, request: Request) -> Answer:
        if not self._is_signed(request):
            return Answer(401, {"error": "signature"})
        if self.status is not None:
            return Answer(self.status, {})
        name = request.headers["idempotency-key"]
        if name in self.answers:
            body, answer = self.answers[name]
            if body != request.body:
                self.broken.append("another body under the same Idempotency-Key")
            return answer
        answer = self._apply(request.json())
        if answer.status == 200 and not self.is_silent:
            self.answers[name] = request.body, answer
        return answer

    def _is_signed(self, request: Request) -> bool:
        timestamp = request.headers.get("kinship-timestamp", "")
        wanted = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + request.body, hashlib.sha256).hexdigest()
        recent = timestamp.isdigit() and abs(time.time() - int(timestamp)) < 300
        return recent and hmac.compare_digest(request.headers.get("kinship-signature", ""), f"v1={wanted}")

    def _apply(self, told: Any) -> Answer:
        rows = told if isinstance(told, list) else [told]
        if len(rows) > 500:
            self.broken.append("too many rows")
        bad = {row["email"] for row in rows if row["_operation"] == "upsert" and "lastname" not in row}
        if bad and not self.row_results:
            return Answer(422, {"error": "lastname is missing", "row": json.dumps(rows)})
        for row in rows:
            if row["email"] in bad or self.is_silent:
                continue
            self.events.append((row["_operation"], row["email"]))
            if row["_operation"] == "upsert":
                self.records[row["email"]] = row
            else:
                self.records.pop(row["email"], None)
        if not self.row_results:
            return Answer(200, {"ok": True})
        if self.is_silent:
            return Answer(200, {"results": []})
        return Answer(
            200,
            {
                "results": [
                    {"key": row["email"], "status": "rejected", "error": "lastname_missing"}
                    if row["email"] in bad
                    else {"key": row["email"], "status": "accepted"}
                    for row in rows
                ]
            },
        )


class Batches(Case):
    sync: ClassVar[dict[str, Any]] = {"object": "people", "key": "email"}
    value = "firstname"

    def server(self, folder: Path) -> Receiver:
        return Receiver()

    def content(self, server: Any) -> list[tuple[str, str]]:
        return sorted((key, row["firstname"]) for key, row in server.records.items() if "firstname" in row)

    def row(self, n: int, value: str) -> dict[str, Any]:
        return {"email": self.key(n), "firstname": value, "lastname": "O'Neil"}

    def poisoned(self, n: int) -> dict[str, Any]:
        return {**self.row(n, "a"), "lastname": None}

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_WEBHOOK_SECRET": "another-secret"}


class RowResults(Batches):
    weathers = 2

    def server(self, folder: Path) -> Receiver:
        return Receiver(row_results=True)


class OnePerCall(Batches):
    weathers = 2
    sync: ClassVar[dict[str, Any]] = {"object": "people", "key": "email", "options": {"one_per_call": True}}
