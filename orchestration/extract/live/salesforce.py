# ruff: noqa: S608 - queries are put together of names that a source module declares, of ids and of times
"""How Salesforce hands over what changed: object by object, by SOQL that is told behind which id to go on.

Facts from Salesforce's documentation (developer.salesforce.com/docs):
* `queryAll` also finds what was deleted or merged (`IsDeleted`, `MasterRecordId`) while it is in the recycle bin, and
  archived tasks and events; of 2,000 records asked for it may hand over fewer, and says so (REST API, resources
  QueryAll). Fields of what lies in the bin may be empty.
* The bin is emptied after 15 days (Apex, Restoring Deleted Records), or sooner when it is full; what was taken out of
  it can be found for about a day more (SOAP API, emptyRecycleBin).
* SystemModstamp, in whole seconds, is what replication goes by (sObject Get Updated). What changed in a long
  transaction comes to light after it with earlier times (GetUpdatedResult, latestDateCovered).
* A field or an object that the user may not see, or that the organisation has not switched on (CurrencyIsoCode,
  Individual), makes a query fail (INVALID_FIELD, INVALID_TYPE); `describe` names those that are there.
* A session ends when nobody used it for a time (401, INVALID_SESSION_ID), which the token does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response

from orchestration.extract.live.deletions import is_due, take_away
from orchestration.extract.live.feed import Record, Span, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.oauth import RefreshToken
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import answered_at, text
from orchestration.extract.live.walk import Steps, Walk, latest

CHANGED = "SystemModstamp"
PAGE = 2000
# an address may have 16,384 characters; an id and its quotes are 28 of them
NAMED = 200


def _is_deleted(record: Record) -> bool:
    """Deleted, and not because it was merged into another record: that one goes on for both."""
    return bool(record.get("IsDeleted")) and not record.get("MasterRecordId")


@dataclass(frozen=True)
class Objects(Walk):
    """The records of one object, with those of `fields` that Salesforce lets us see.

    Deleted records arrive as such once they lie in the recycle bin, merged ones with `MasterRecordId`. Once in `every`,
    ids are compared: those of what is in no bin any more become tombstones (merged ones stay), what went into the bin
    or came out of it is read. Then `fields` are asked for anew; when there are more than before, all is read again.
    An `is_optional` object that is not there has no records.
    """

    object: str = ""
    fields: tuple[str, ...] = ()
    is_optional: bool = False
    overlap: timedelta = timedelta(minutes=15)
    id: str = "Id"
    changed: str | None = CHANGED
    gone: Callable[[Record], Any] | None = _is_deleted

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        if there := self._seen(client, arrivals):
            try:
                super(Objects, there).fetch(client, arrivals)
            except Refused as refused:
                if refused.code == "INVALID_FIELD":  # taken from us since: the next run asks which are left
                    arrivals.put(fields=None)
                raise

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        if there := self._seen(client, arrivals):
            super(Objects, there).fetch_span(client, arrivals, span)

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        times = [f"{CHANGED} {sign} {text(time)}" for sign, time in ((">=", since), ("<", until)) if time is not None]
        page = self._page(client, self._names, after, times)
        return replace(page, records=[self._shaped(one) for one in page.records])

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        if not is_due(arrivals, self.every, now):
            return
        names = [name for name in self._names if name in ("Id", "IsDeleted", "MasterRecordId")]
        live, bin, merged = set[str](), set[str](), set[str]()
        for one in self._walk(client, names):
            (bin if one["IsDeleted"] else live).add(one["Id"])
            if one.get("MasterRecordId"):
                merged.add(one["Id"])
        merged |= set(arrivals.get("merged") or ()) - live
        known, before = set(arrivals.ids()), set(arrivals.get("bin") or ())
        # also what went into the bin, or came out of it, and has the time it had: with the record it belongs to
        moved = sorted((live - known) | (live & before) | ((bin & known) - before))
        for start in range(0, len(moved), NAMED):
            ids = ", ".join(_quoted(id) for id in moved[start : start + NAMED])
            found = self._walk(client, self._names, [f"Id IN ({ids})"])
            arrivals.add(self.items([self._shaped(one) for one in found]))
        take_away(arrivals, self, live | bin | merged, now)
        arrivals.put(bin=sorted(bin), merged=sorted(merged), fields=None)

    @property
    def _names(self) -> tuple[str, ...]:
        return ("Id", CHANGED, "IsDeleted", *self.fields)

    def _seen(self, client: RESTClient, arrivals: Arrivals) -> Objects | None:
        """The same with the fields that there are; None where there is no such object."""
        fields = arrivals.get("fields")
        if fields is None:
            try:
                described = _get(client, f"sobjects/{self.object}/describe").json()
            except Refused as refused:
                if self.is_optional and refused.status == 404:
                    return None
                raise
            there = {one["name"] for one in described["fields"]}
            fields = [name for name in self.fields if name in there]
            had = arrivals.get("had")
            if had is not None and not set(fields) <= set(had):
                arrivals.put(since=None, list=None)
            arrivals.put(fields=fields, had=fields)
        return replace(self, fields=tuple(fields))

    def _walk(self, client: RESTClient, names: Sequence[str], conditions: Sequence[str] = ()) -> Iterator[Record]:
        page = self._page(client, names, None, conditions)
        yield from page.records
        while page.after is not None:
            page = self._page(client, names, page.after, conditions)
            yield from page.records

    def _page(self, client: RESTClient, names: Sequence[str], after: str | None, conditions: Sequence[str]) -> Steps:
        rules = [*([f"Id > {_quoted(after)}"] if after else []), *conditions]
        where = f" WHERE {' AND '.join(rules)}" if rules else ""
        query = f"SELECT {', '.join(names)} FROM {self.object}{where} ORDER BY Id LIMIT {PAGE}"
        response = _get(client, "queryAll", q=query)
        answer = response.json()
        found, is_done = member(answer, "records"), member(answer, "done")
        if not isinstance(found, list) or is_done is None:
            raise Refused(response.status_code, "no records in its answer")
        more = found and (len(found) == PAGE or not is_done)
        return Steps(found, found[-1]["Id"] if more else None, latest(found, CHANGED), answered_at(response))

    def _shaped(self, one: Record) -> Record:
        """In one order, as a record that comes again is known by its text; of what was deleted no more than that."""
        names = ("Id", CHANGED, "IsDeleted") if _is_deleted(one) else self._names
        return {name: one.get(name) for name in names}


def _quoted(id: str) -> str:
    if not id.isalnum():
        raise Refused(200, "an id that is none")
    return f"'{id}'"


def _get(client: RESTClient, path: str, **params: str) -> Response:
    """The answer; logs in again where the session has ended."""
    login = cast(RefreshToken, client.auth)
    for _ in range(2):
        token = login.access_token
        try:
            return client.get(path, params=params)
        except Refused as refused:
            if refused.code != "INVALID_SESSION_ID":
                raise
            login.expire(token)
    return client.get(path, params=params)
