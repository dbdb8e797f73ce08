# ruff: noqa: S608 - queries are put together of our own names and of times
"""Vtiger: the webservice of the open-source editions as they really answer (no working `sync`, 100 rows a query,
sessions that end, failures in answers of HTTP 200, times of second resolution without a zone, UTC), and the REST API of
its cloud.

Vtiger One asks for HTTP Basic in place of a session, has an address for each operation, and answers failures with HTTP
400 (vtap.vtiger.com/platform/rest-apis.html, and the vendor's client, PyPI vtiger-cloudsdk-restapi 1.2); queries are
written alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from dlt.sources.helpers.rest_client.client import RESTClient
from requests import PreparedRequest, Response
from requests.auth import AuthBase, HTTPBasicAuth

from orchestration.extract.live.api import Api, Settings
from orchestration.extract.live.deletions import DAY, is_due, take_away
from orchestration.extract.live.keyset import Answer, Keyset
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import answered_at, text

_ENDED = frozenset({"INVALID_SESSIONID", "SESSION_EXPIRED", "AUTHENTICATION_REQUIRED"})
_TIMES = "%Y-%m-%d %H:%M:%S"


class Session(AuthBase):
    """Who logs in, and the session that this gave; all tables share it."""

    def __init__(self, settings: Settings) -> None:
        self.user = settings["USER"]
        self.access_key = settings["ACCESS_KEY"]
        self.name: str | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request  # the session goes with the parameters

    def query(self, client: RESTClient, query: str) -> tuple[Any, int]:
        """The rows of a query, and when it was answered; logs in again where the session has ended."""
        for _ in range(3):
            if self.name is None:
                self.name = self._log_in(client)
            try:
                return _call(client, "GET", {"sessionName": self.name, "operation": "query", "query": query})
            except Refused as refused:
                if refused.code not in _ENDED:
                    raise
                self.name = None
        raise Refused(401, "its sessions end at once")

    def _log_in(self, client: RESTClient) -> str:
        challenge, _ = _call(client, "GET", {"operation": "getchallenge", "username": self.user})
        key = hashlib.md5((challenge["token"] + self.access_key).encode(), usedforsecurity=False).hexdigest()
        try:
            answer, _ = _call(client, "POST", {"operation": "login", "username": self.user, "accessKey": key})
        except Refused as refused:
            raise Refused(401, refused.code) from None
        return str(answer["sessionName"])


def _call(client: RESTClient, method: Literal["GET", "POST"], parameters: Mapping[str, str]) -> tuple[Any, int]:
    how: dict[str, Any] = {"params" if method == "GET" else "data": dict(parameters)}
    return _result(client.request("webservice.php", method=method, **how))


def _result(response: Response) -> tuple[Any, int]:
    answer = response.json()
    if not isinstance(answer, dict) or not answer.get("success"):
        error = answer.get("error") if isinstance(answer, dict) else None
        raise Refused(response.status_code, str(error.get("code")) if isinstance(error, dict) else None)
    return answer.get("result"), answered_at(response)


class One(HTTPBasicAuth):
    """Who asks Vtiger One: no session, the user and the access key go with each call."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings["USER"], settings["ACCESS_KEY"])

    def query(self, client: RESTClient, query: str) -> tuple[Any, int]:
        """The rows of a query, and when it was answered."""
        return _result(client.get("query", params={"query": query}))


@dataclass(frozen=True)
class Module(Keyset):
    """The records of one module. What was deleted is found once a day by listing all ids."""

    module: str = ""
    id: str = "id"
    changed: str | None = "modifiedtime"
    api: Api | None = None

    def ask(self, client: RESTClient, since: int | None, until: int | None, offset: int) -> Answer:
        bounds = [
            f"modifiedtime {sign} '{text(time, _TIMES)}'"
            for sign, time in ((">=", since), ("<", until))
            if time is not None
        ]
        where = f"where {' and '.join(bounds)} " if bounds else ""
        return self._query(
            client, f"select * from {self.module} {where}order by modifiedtime, id limit {offset}, {self.size};"
        )

    def take_deletions(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        if is_due(arrivals, DAY, now):
            take_away(arrivals, self, {id for ids in self._ids(client) for id in ids}, now)

    def _ids(self, client: RESTClient) -> Iterator[list[str]]:
        """All ids by page. Each page begins with the last rows of the one before, or a record was deleted before it
        and the list is begun again."""
        offset, before = 0, frozenset[str]()
        while True:
            rows, _ = self._query(client, f"select id from {self.module} order by id limit {offset}, {self.size};")
            ids = [str(row["id"]) for row in rows]
            if offset and ids and not before.intersection(ids):
                offset = 0
                continue
            yield ids
            if len(ids) < self.size:
                return
            before, offset = frozenset(ids), offset + self.size - self.size // 10

    def _query(self, client: RESTClient, query: str) -> tuple[list[Any], int]:
        result, now = cast(Session | One, client.auth).query(client, query)
        if not isinstance(result, list):
            raise Refused(200, "no records in its answer")
        return result, now
