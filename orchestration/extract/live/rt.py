"""Request Tracker 5 by its REST 2.0: transactions by their ids, tickets and users by what transactions say of them.

Facts from RT 5.0.3, its code and a running one. A page has at most 100 records, and lacks those that the token's user
may not see; who may not see all is not told how many there are. A search passes in silence over a field that it does
not search: of users that is also the id and the time of change. Times in JSON queries are UTC; those of TicketSQL are
in the time zone of the token's user, whatever zone they name, so that none is asked there. A search leaves out deleted
tickets, and merged ones where it does not name EffectiveId; a merge leaves LastUpdated of the merged one as it was.
But each change of a ticket or a user is a transaction. Whether a user is privileged stands on the user's own page only.
The keys of an object come in another order each time. A call takes 0.3 s, for the hash that guards the token.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response

from orchestration.extract.live.deletions import is_due, take_away
from orchestration.extract.live.feed import Record, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import answered_at, text
from orchestration.extract.live.walk import Steps, Walk, latest
from orchestration.extract.tables import DELETED_AT

SIZE = 100
ABREAST = 4
"""Pages of users that are read at the same time."""
# of users that RT made by itself, from an address, without privileges; those made at a login may have them
_AUTOCREATED = frozenset({"Autocreated on ticket submission", "Autocreated when added as a watcher"})

Limit = Mapping[str, Any]
"""A condition of a JSON query. Those on one field are joined by their `entry_aggregator`, all others by AND."""


@dataclass(frozen=True)
class Collection(Walk):
    """What the feeds have in common: records with numbers for ids. Once in `every`, these are compared."""

    id: str = "id"

    @abstractmethod
    def everything(self, client: RESTClient, after: str | None, fields: str) -> Steps:
        """All records by their ids, with these fields."""

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        if is_due(arrivals, self.every, now):
            self.compare(client, arrivals, {str(one["id"]) for one in self._ids(client)}, now)

    def compare(self, client: RESTClient, arrivals: Arrivals, there: set[str], now: int) -> None:
        """Take away what is not there."""
        take_away(arrivals, self, there, now)

    def _ids(self, client: RESTClient) -> Iterator[Record]:
        page = self.everything(client, None, "id")
        yield from page.records
        while page.after is not None:
            page = self.everything(client, page.after, "id")
            yield from page.records


@dataclass(frozen=True)
class Messages(Collection):
    """Transactions on tickets of these types, each with the text of its message: `Content`, a `ContentType`."""

    types: tuple[str, ...] = ()
    changed: str | None = "Created"
    every: timedelta = timedelta(days=7)

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        fields = "id,Type,ObjectId,Creator,Field,OldValue,NewValue,Created"
        page = _transactions(client, after, [*self._limits(), *_between(since, until)], fields)
        texts = _texts(client, [int(one["id"]) for one in page.records])
        return replace(page, records=[{**one, **texts.get(int(one["id"]), {})} for one in page.records])

    def everything(self, client: RESTClient, after: str | None, fields: str) -> Steps:
        return _transactions(client, after, self._limits(), fields)

    def _limits(self) -> list[Limit]:
        return [{"field": "ObjectType", "value": "RT::Ticket"}, *_any_of("Type", self.types)]


@dataclass(frozen=True)
class Logged(Collection):
    """Records that are all listed once, and then read again whenever a transaction names them."""

    type: str = ""
    fields: tuple[str, ...] = ()
    changed: str | None = "LastUpdated"

    @abstractmethod
    def named(self, client: RESTClient, ids: Sequence[str]) -> list[Record]:
        """The records with these ids, at most a page of them, that are there."""

    def compare(self, client: RESTClient, arrivals: Arrivals, there: set[str], now: int) -> None:
        """Ask for each record by its id that only one side has: pages by number may skip one."""
        either = sorted(there ^ set(arrivals.ids()), key=int)
        for start in range(0, len(either), SIZE):
            records = self.named(client, either[start : start + SIZE])
            arrivals.add(self.items(records))
            there |= {str(one["id"]) for one in records}
        super().compare(client, arrivals, there, now)

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        if since is None:
            return self.everything(client, after, ",".join(("id", *self.fields)))
        limits = [{"field": "ObjectType", "value": self.type}, *_between(since, until)]
        page = _transactions(client, after, limits, "id,Type,ObjectId,NewValue,Created")
        ids = sorted({str(one["ObjectId"]) for one in page.records}, key=int)
        records = self.named(client, ids) if ids else []
        there = {str(one["id"]) for one in records}
        gone = {
            str(one["ObjectId"]): one["Created"]
            for one in page.records
            if one["Type"] == "Status" and one["NewValue"] == "deleted" and str(one["ObjectId"]) not in there
        }
        deleted = [{"id": int(id), "LastUpdated": at, DELETED_AT: at} for id, at in gone.items()]
        return replace(page, records=[*records, *deleted])


@dataclass(frozen=True)
class Tickets(Logged):
    """Tickets, those merged into another among them. The people on them are ids of users or groups."""

    type: str = "RT::Ticket"
    inner = {"Queue": "id,Name", "Owner": "id", "Requestor": "id", "Creator": "id"}  # noqa: RUF012 - no field

    def everything(self, client: RESTClient, after: str | None, fields: str) -> Steps:
        return self._found(client, f"id > {int(after or 0)}", fields)

    def named(self, client: RESTClient, ids: Sequence[str]) -> list[Record]:
        either = " OR ".join(f"id = {int(id)}" for id in ids)
        return list(self._found(client, f"({either})", ",".join(("id", *self.fields))).records)

    def _found(self, client: RESTClient, query: str, fields: str) -> Steps:
        asked = {"fields": fields, **{f"fields[{name}]": within for name, within in self.inner.items()}}
        # merged tickets are found only where EffectiveId is asked for
        return _page(client, "tickets", asked, {"query": f"EffectiveId > 0 AND {query}"}, "LastUpdated")


@dataclass(frozen=True)
class Users(Logged):
    """Users with `Privileged` and `Disabled`, 1 or 0."""

    type: str = "RT::User"

    def everything(self, client: RESTClient, after: str | None, fields: str) -> Steps:
        """By number: those that are new come last, and none but a shredder takes one away."""
        number = int(after or 1)
        # of each user RT tells why it was made in its comments, which we do not keep
        asked = {"fields": f"{fields},Created,LastUpdated,Comments", "find_disabled_rows": "1", "page": str(number)}
        response = _answer(client, "users", asked, None)
        total = response.json()["total"]
        if total is None:
            raise Refused(403, "the token is not of a privileged user")
        found = _records(response)
        if fields != "id":
            found = self._known(client, found)
        after = str(number + 1) if total > number * SIZE else None
        return Steps(found, after, latest(found, "LastUpdated"), answered_at(response))

    def named(self, client: RESTClient, ids: Sequence[str]) -> list[Record]:
        with ThreadPoolExecutor(ABREAST) as pool:
            return [one for one in pool.map(lambda id: self._own_page(client, id), ids) if one]

    def _known(self, client: RESTClient, found: Sequence[Record]) -> list[Record]:
        """The users of a list, with what only their own pages tell, where that is to be asked."""
        plain = {
            str(one["id"]): self._shaped({**one, "Privileged": 0, "Disabled": 0})
            for one in found
            if one["Comments"] in _AUTOCREATED and one["LastUpdated"] == one["Created"]
        }
        asked = self.named(client, [id for one in found if (id := str(one["id"])) not in plain])
        return sorted([*plain.values(), *asked], key=lambda one: int(one["id"]))

    def _own_page(self, client: RESTClient, id: str) -> Record | None:
        try:
            one = client.get(f"user/{id}").json()
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        if "Privileged" not in one:
            raise Refused(403, "it does not tell the token's user who is privileged")
        return self._shaped(one)

    def _shaped(self, one: Record) -> Record:
        """As lists and own pages do not write the same: an empty value is none."""
        told = {name: one.get(name) or None for name in self.fields}
        return {"id": int(one["id"]), **told, **{name: str(int(one[name] or 0)) for name in ("Privileged", "Disabled")}}


def _transactions(client: RESTClient, after: str | None, limits: Sequence[Limit], fields: str) -> Steps:
    asked = {"fields": fields, "fields[Creator]": "id"}
    return _page(client, "transactions", asked, [{"field": "id", "operator": ">", "value": int(after or 0)}, *limits])


def _texts(client: RESTClient, transactions: Sequence[int]) -> dict[int, Record]:
    """By transaction what was written: the first part that is text and no file, plain before HTML."""
    limits = [*_any_of("TransactionId", transactions), *_any_of("ContentType", ("text/plain", "text/html"))]
    texts: dict[int, Record] = {}
    after: str | None = "0" if transactions else None
    while after is not None:
        above = {"field": "id", "operator": ">", "value": int(after)}
        asked = {"fields": "id,TransactionId,ContentType,Filename,Content"}
        page = _page(client, "attachments", asked, [above, *limits])
        for part in page.records:
            id, kind = int(part["TransactionId"]), part["ContentType"]
            held = texts.get(id)
            if not part["Filename"] and (held is None or (kind == "text/plain" != held["ContentType"])):
                texts[id] = {"ContentType": kind, "Content": part["Content"]}
        after = page.after
    return texts


def _page(
    client: RESTClient,
    path: str,
    asked: Mapping[str, str],
    query: Mapping[str, str] | Sequence[Limit],
    changed: str = "Created",
) -> Steps:
    """A page of a search that begins behind an id, TicketSQL or limits in JSON.

    It may be short, or empty, as the user may not see what else is on it. So the end is where the total says so, or,
    for whoever is told none, where the last record is that they see.
    """
    number = 1
    while True:
        response = _answer(client, path, {**asked, "page": str(number)}, query)
        records = _records(response)
        reached = int(records[-1]["id"]) if records else 0
        total = response.json().get("total")
        if total is not None:
            is_end = total <= number * SIZE
        elif len(records) == SIZE:
            is_end = False
        else:
            backwards = _records(_answer(client, path, {"fields": "id", "order": "DESC"}, query))
            is_end = not backwards or int(backwards[-1]["id"]) <= reached
        if records or is_end:
            after = None if is_end else str(reached)
            return Steps(records, after, latest(records, changed), answered_at(response))
        number += 1


def _answer(
    client: RESTClient, path: str, asked: Mapping[str, str], query: Mapping[str, str] | Sequence[Limit] | None
) -> Response:
    params = {**asked, "orderby": "id", "per_page": str(SIZE)}
    if query is None or isinstance(query, Mapping):
        return client.get(path, params={**params, **(query or {})})
    return client.post(path, params=params, json=cast(Any, query))  # it would be too long for an address


def _records(response: Response) -> list[Record]:
    """The records of an answer by their ids. Raises `Refused` where it has none."""
    found = member(response.json(), "items")
    if not isinstance(found, list):
        raise Refused(response.status_code, "no items in its answer")
    records: list[dict[str, Any]] = _plain(found)
    return [{name: value for name, value in one.items() if name != "type"} for one in records]


def _plain(value: Any) -> Any:
    """Without addresses, and in one order: a record that comes again is known by its text."""
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value) if name != "_url"}
    if isinstance(value, list):
        return sorted(map(_plain, value), key=lambda one: int(one["id"]))
    return value


def _any_of(field: str, values: Sequence[str | int]) -> list[Limit]:
    return [{"field": field, "value": value, "entry_aggregator": "OR"} for value in values]


def _between(since: int | None, until: int | None) -> list[Limit]:
    return [
        {"field": "Created", "operator": sign, "value": text(time, "%Y-%m-%d %H:%M:%S"), "entry_aggregator": "AND"}
        for sign, time in ((">=", since), ("<", until))
        if time is not None
    ]
