"""A tool for tests of the engine: bulk calls, several at a time, no upsert, and every trap at hand.

`Sink` is a destination outside `destinations/` (`use_sink` makes syncs find it); `SinkServer` is what it talks to. A
record is made anew by each create: who is sent twice is there twice.
"""

import threading
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

import pytest
from servers.base import Answer, Request, ToolServer

import reverse_etl.config
from reverse_etl.destination import (
    Batch,
    CheckResult,
    Destination,
    Found,
    Operation,
    OptOut,
    Outcome,
    Row,
    Target,
    destination_class,
)
from reverse_etl.environment import credentials
from reverse_etl.http import Http
from reverse_etl.limits import Limits, Options
from reverse_etl.rendering import for_json


class SinkOptions(Options):
    batch_bytes: int | None = None
    row_bytes: int | None = None
    parallel: int = 4


class Sink(Destination):
    options_model = SinkOptions
    can_look_up: ClassVar[bool] = True
    can_read: ClassVar[bool] = True
    has_opt_outs: ClassVar[bool] = True
    settle_seconds = 0.1

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        (url,) = credentials("sink", "KINSHIP_SINK_URL")
        self._http = Http("sink", url, target.meter, timeout=30.0)

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        assert isinstance(options, SinkOptions)
        return Limits(
            rows=100, concurrency=options.parallel, batch_bytes=options.batch_bytes, row_bytes=options.row_bytes
        )

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return for_json(column, kind)

    async def check(self) -> CheckResult:
        return CheckResult("sink", "ok", "")

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        records = [{"key": row.key, "id": row.destination_id, "fields": fields} for row, fields in batch.records()]
        async for outcome in self._post("/records", {"operation": batch.operation, "records": records}):
            yield outcome

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        records = [{"key": row.key, "id": row.destination_id} for row in batch.rows]
        async for outcome in self._post("/remove", {"operation": batch.operation, "records": records}):
            yield outcome

    async def _post(self, path: str, body: Any) -> AsyncIterator[Outcome]:
        for told in (await self._http.request("POST", path, json=body)).json():
            if "error" in told:
                status = "gone" if told["error"] == "gone" else "rejected"
                yield Outcome(told["key"], status, error_class=told["error"])
            else:
                yield Outcome(told["key"], "accepted", told["id"])

    async def lookup(self, keys: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = (await self._http.request("POST", "/lookup", json={"keys": list(keys)})).json()
        return found

    async def read(self, rows: Sequence[Row]) -> AsyncIterator[Found]:
        body = {"keys": [row.key for row in rows]}
        for told in (await self._http.request("POST", "/read", json=body)).json():
            yield Found(told["key"], told["id"], told["fields"])

    async def opt_outs(self, since: datetime | None) -> AsyncIterator[OptOut]:
        params = {"since": since.isoformat()} if since else {}
        for told in (await self._http.request("GET", "/opt-outs", params=params)).json():
            yield OptOut(told["key"], told["channel"], datetime.fromisoformat(told["at"]))

    async def close(self) -> None:
        await self._http.close()


class SinkServer(ToolServer):
    """`records`: id -> (key, fields). A field `value` of `poison` is refused by row, `wall` refuses the whole batch,
    `crash` fails it with HTTP 500, `mute` is left out of the answer; keys in `unsubscribed` are refused."""

    def __init__(self, parallel: int = 4) -> None:
        super().__init__()
        self.records: dict[str, tuple[str, dict[str, Any]]] = {}
        self.unsubscribed: dict[str, datetime] = {}
        self.log: list[tuple[str, str, int]] = []
        """What was asked for: path, operation, rows; in the order of arrival."""
        self.locked_out = False
        self.most_at_once = 0
        self._parallel = parallel
        self.at_once = 0
        """Calls under way."""
        self._number = 0
        self._counting = threading.Lock()
        self.on_request: Any = None

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_SINK_URL": self.url}

    def answer(self, request: Request) -> Answer | None:
        with self._counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if self.at_once > self._parallel:
                self.broken.append("concurrency")
        try:
            return super().answer(request)
        finally:
            with self._counting:
                self.at_once -= 1

    def handle(self, request: Request) -> Answer:
        if self.on_request is not None:
            self.on_request(request)
        if self.locked_out:
            return Answer(401, {})
        if request.path == "/opt-outs":
            since = request.query.get("since", "")
            told = [
                {"key": key, "channel": "email", "at": at.isoformat()}
                for key, at in self.unsubscribed.items()
                if at.isoformat() >= since
            ]
            self.log.append((request.path, "", len(told)))
            return Answer(200, told)
        body = request.json()
        if request.path in ("/lookup", "/read"):
            return Answer(200, self._look(request.path, body["keys"]))
        self.log.append((request.path, body["operation"], len(body["records"])))
        values = [record.get("fields", {}).get("value") for record in body["records"]]
        if "crash" in values:
            return Answer(500, {})
        if "wall" in values:
            return Answer(400, {})
        act = self._write if request.path == "/records" else self._remove
        return Answer(200, [told for record in body["records"] if (told := act(record)) is not None])

    def _look(self, path: str, keys: list[str]) -> Any:
        held: dict[str, list[str]] = {}
        for number, (key, _) in self.records.items():
            held.setdefault(key, []).append(number)
        if path == "/lookup":
            return {key: held[key] for key in keys if key in held}
        return [
            {"key": key, "id": number, "fields": self.records[number][1]}
            for key in keys
            for number in held.get(key, ())
        ]

    def _write(self, record: dict[str, Any]) -> dict[str, Any] | None:
        key, number, fields = record["key"], record["id"], record["fields"]
        if fields.get("value") == "mute":
            return None
        if fields.get("value") == "poison":
            return {"key": key, "error": "invalid_value"}
        if key in self.unsubscribed:
            return {"key": key, "error": "opted_out"}
        if number is not None and number not in self.records:
            return {"key": key, "error": "gone"}
        if number is None:
            self._number += 1
            number = str(self._number)
        if not self.is_silent:
            self.records[number] = (key, fields)
        return {"key": key, "id": number}

    def _remove(self, record: dict[str, Any]) -> dict[str, Any]:
        self.records.pop(record["id"], None)
        return {"key": record["key"], "id": record["id"]}

    @property
    def held(self) -> list[tuple[str, str]]:
        """Key and value of every record, sorted; who is there twice is here twice."""
        return sorted((key, fields["value"]) for key, fields in self.records.values())

    def rows(self, operation: Operation) -> int:
        """Rows that were asked to be sent so."""
        return sum(rows for path, told, rows in self.log if told == operation and path != "/opt-outs")


def find_sink(name: str) -> type[Destination]:
    """In place of `destination_class`."""
    return Sink if name == "sink" else destination_class(name)


def use_sink(patch: pytest.MonkeyPatch, server: ToolServer) -> None:
    """Let syncs to `sink` find it."""
    patch.setattr(reverse_etl.config, "destination_class", find_sink)
    for name, value in server.environment.items():
        patch.setenv(name, value)


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    """Until it is so; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.005)
