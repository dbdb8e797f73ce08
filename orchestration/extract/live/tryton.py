"""How Tryton hands over what changed: by its JSON-RPC, model by model.

Facts from trytond 8.2 (protocols/dispatcher.py, model/modelsql.py, modules/party/party.py), tried with a running one:
calls are `POST <url>/rpc/ {id, method, params}` under a session, which ends (401); a failed call is HTTP 200 with
`error`, whose text may quote values. `last_modified_at` has microseconds, UTC, and is when the transaction began, so
that changes of a long one (an import) come to light with a time long past. Archived records are left out unless
`active_test` is false. Erasing a party overwrites archived records and leaves their times as they were.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from dlt.sources.helpers.rest_client.client import RESTClient
from requests import PreparedRequest
from requests.auth import AuthBase

from orchestration.extract.live.api import Settings
from orchestration.extract.live.deletions import is_due, take_away
from orchestration.extract.live.feed import Record, Span
from orchestration.extract.live.line import Refused, Unavailable
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import MICROSECOND, answered_at
from orchestration.extract.live.walk import Steps, Walk, latest

CHANGED = "last_modified_at"
PAGE = 1000
IDS = 10_000
_EXCEPTION = re.compile(r"[A-Z]\w*(Error|Warning|Exception)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unknown(Exception):
    """Tryton has no such model: its module is not activated."""


class Session(AuthBase):
    """Who logs in, and the session that this gave; all tables share it."""

    def __init__(self, settings: Settings) -> None:
        self._user, self._password = settings["USER"], settings["PASSWORD"]
        self._header: str | None = None
        self._failed: Refused | Unavailable | None = None
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request  # the session goes with each call of ours

    def call(self, client: RESTClient, model: str, method: str, *arguments: Any) -> tuple[Any, int]:
        """What a method gave, and when; logs in again where the session has ended. Raises `Refused`, `Unknown`."""
        for _ in range(3):
            header = self._logged_in(client)
            try:
                result = _post(client, f"model.{model}.{method}", [*arguments, {"active_test": False}], header)
            except Refused as refused:
                if refused.status != 401:
                    raise
                with self._lock:
                    self._header = None if self._header == header else self._header
            else:
                return result
        raise Refused(401, "its sessions end at once")

    def _logged_in(self, client: RESTClient) -> str:
        with self._lock:
            if self._failed:  # once for all tables: Tryton shuts out who tries too often
                raise self._failed
            if not self._header:
                try:
                    answer, _ = _post(client, "common.db.login", [self._user, {"password": self._password}, "en"])
                except (Refused, Unavailable) as error:
                    self._failed = error
                    raise
                token = f"{self._user}:{answer[0]}:{answer[1]}"
                self._header = "Session " + base64.b64encode(token.encode()).decode()
            return self._header


def _post(client: RESTClient, method: str, params: list[Any], session: str | None = None) -> tuple[Any, int]:
    headers = {"Authorization": session} if session else {}
    response = client.post("rpc/", json={"id": 1, "method": method, "params": params}, headers=headers)
    answer = response.json()
    if not isinstance(answer, dict) or "result" not in answer:
        error = answer.get("error") if isinstance(answer, dict) else None
        first = str(error[0]) if isinstance(error, list) and error else ""
        if first and method.startswith(f"model.{first.strip(chr(39))}."):
            raise Unknown
        # the name of Tryton's exception; anything else is a text that may quote values
        raise Refused(response.status_code, first if _EXCEPTION.fullmatch(first) else "server_error")
    return answer["result"], answered_at(response)


@dataclass(frozen=True)
class Model(Walk):
    """The records of one model, with `fields`; one of another record (`lang.code`) comes as `lang_code`.

    Once in `every`, ids are compared: those that are gone become tombstones, those listed and not known come whole;
    and archived records are read again, as nothing else tells that one of them was erased.
    A model whose module is not activated has no records.
    """

    model: str = ""
    fields: tuple[str, ...] = ()
    has_active: bool = True
    overlap: timedelta = timedelta(hours=1)
    id: str = "id"
    changed: str | None = CHANGED

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        with suppress(Unknown):
            super().fetch(client, arrivals)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        with suppress(Unknown):
            super().fetch_span(client, arrivals, span)

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        window = [[CHANGED, sign, _written(time)] for sign, time in ((">=", since), ("<", until)) if time is not None]
        return self._page(client, after, window)

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        if not is_due(arrivals, self.every, now):
            return
        if self.has_active:
            self._read(client, arrivals, [["active", "=", False]])
        there = self._ids(client)
        fresh = sorted(there - set(arrivals.ids()), key=int)
        for start in range(0, len(fresh), PAGE):
            self._read(client, arrivals, [["id", "in", [int(id) for id in fresh[start : start + PAGE]]]])
        take_away(arrivals, self, there, now)

    def _read(self, client: RESTClient, arrivals: Arrivals, domain: list[Any]) -> None:
        after: str | None = "0"
        while after is not None:
            page = self._page(client, after, domain)
            arrivals.add(self.items(page.records))
            after = page.after

    def _page(self, client: RESTClient, after: str | None, domain: list[Any]) -> Steps:
        asked = [["id", ">", int(after or 0)], *domain]
        fields = [*self.fields, CHANGED]
        found, now = self._call(client, "search_read", asked, 0, PAGE, [["id", "ASC"]], fields)
        records = [self._shaped(one) for one in found]
        return Steps(records, str(found[-1]["id"]) if len(found) == PAGE else None, latest(records, CHANGED), now)

    def _ids(self, client: RESTClient) -> set[str]:
        ids: list[int] = []
        while True:
            found, _ = self._call(client, "search", [["id", ">", ids[-1] if ids else 0]], 0, IDS, [["id", "ASC"]])
            ids += found
            if len(found) < IDS:
                return {str(id) for id in ids}

    def _call(self, client: RESTClient, method: str, *arguments: Any) -> tuple[list[Any], int]:
        result, now = cast(Session, client.auth).call(client, self.model, method, *arguments)
        if not isinstance(result, list):
            raise Refused(200, "no records in its answer")
        return result, now

    def _shaped(self, one: Record) -> Record:
        """In one order: a record that comes again is known by its text."""
        names = ("id", *self.fields, CHANGED)
        return {name.replace("_.", ".").replace(".", "_"): _plain(_walked(one, name)) for name in names}


def _walked(record: Any, path: str) -> Any:
    """The value at a path of fields, as Tryton nests what was read of other records: {"lang.": {"code": "en"}}."""
    name, _, rest = path.partition(".")
    if not rest:
        return record.get(name)
    beside = record.get(f"{name}.")
    if isinstance(beside, list):
        return [_walked(one, rest) for one in beside]
    return None if beside is None else _walked(beside, rest)


def _plain(value: Any) -> Any:
    """A value without Tryton's wrapping: times as ISO 8601 in UTC, numbers of its decimals as text."""
    if not isinstance(value, dict):
        return value
    kind = value.get("__class__")
    if kind == "datetime":
        parts = (value[name] for name in ("year", "month", "day", "hour", "minute", "second", "microsecond"))
        return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z".format(*parts)
    if kind == "date":
        return "{year:04}-{month:02}-{day:02}".format(**value)
    return value["decimal"] if kind == "Decimal" else value


def _written(moment: int) -> Mapping[str, Any]:
    """A moment as Tryton's JSON has it."""
    at = _EPOCH + moment * MICROSECOND
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in parts}}
