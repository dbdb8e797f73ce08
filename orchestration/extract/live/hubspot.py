"""How HubSpot's CRM hands over what changed: by its search, which is told where to go on by an id.

Facts from HubSpot's API reference, 2026-03 (developers.hubspot.com/docs/api-reference): a search gives 200 records a
page and, however many pages are turned, no more than 10,000; it leaves out associations and what was archived; changes
take moments to appear in it (crm/search-the-crm). Lists give 100 records a page and go on by `paging.next.after`; with
`archived=true` those that were deleted in the last 90 days (crm/objects). Associations are read for many records at
once, and those of one record may have pages of their own (crm/associations, batch/read).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from requests import Response

from orchestration.extract.live.deletions import is_due, take_away
from orchestration.extract.live.feed import Record, member
from orchestration.extract.live.line import Refused, error_code
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import answered_at
from orchestration.extract.live.walk import Steps, Walk, latest

SEARCHED = 200
LISTED = 100
# of the types of association that come without a label of the account's own: their names in lists
_TYPES = {3: "deal_to_contact", 5: "deal_to_company", 194: "call_to_contact", 200: "meeting_event_to_contact"}


@dataclass(frozen=True)
class Objects(Walk):
    """The records of one type of object, with `properties`, and the ids of the records of other types beside them.

    `modified` is the property with the time of the last change, by which a run searches. Of what is gone, archived
    records arrive as HubSpot tells them, `archived`; those that are in no list any more (deleted for good) as
    tombstones; those listed and not known (restored) whole.
    """

    object: str = ""
    properties: tuple[str, ...] = ()
    associations: tuple[str, ...] = ()
    modified: str = "hs_lastmodifieddate"
    id: str = "id"
    changed: str | None = "updatedAt"

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        path = f"crm/objects/2026-03/{self.object}/search"
        response = client.post(path, json=self._search(after or "0", since, until))
        found = member(response.json(), "results")
        if found is None:
            raise Refused(response.status_code, "no results in its answer")
        last = str(max(int(one["id"]) for one in found)) if len(found) == SEARCHED else None
        return Steps(self.records(client, found), last, latest(found, "updatedAt"), answered_at(response))

    def records(self, client: RESTClient, found: Sequence[Record]) -> list[Record]:
        """What is written of the records of a page."""
        beside = {name: _associated(client, self.object, name, found) for name in self.associations}
        return [
            self._shaped(one, {name: ids.get(one["id"], {"results": []}) for name, ids in beside.items()})
            for one in found
        ]

    def _shaped(self, one: Record, beside: Mapping[str, Any]) -> Record:
        """Only what was asked for, and in one order: a record that comes again is known by its text."""
        shaped = {key: one[key] for key in ("id", "createdAt", "updatedAt", "archived", "archivedAt") if key in one}
        shaped["properties"] = {name: one["properties"].get(name) for name in self.properties}
        return {**shaped, "associations": beside} if beside else shaped

    def _search(self, after: str, since: int | None, until: int | None) -> dict[str, Any]:
        rules = [("hs_object_id", "GT", after)]
        if since is not None:
            rules.append((self.modified, "GTE", str(since // 1000)))
        if until is not None:
            rules.append((self.modified, "LT", str(until // 1000)))
        filters = [{"propertyName": name, "operator": operator, "value": value} for name, operator, value in rules]
        return {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self.properties),
            "limit": SEARCHED,
        }

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        is_first = arrivals.get("compared") is None
        if not is_due(arrivals, self.every, now) and not is_first:
            return
        told: dict[str, str] = arrivals.get("archived") or {}
        archived = {one["id"]: one for one in self._list(client, properties=",".join(self.properties), archived="true")}
        arrivals.finish_file()  # of two appearances in one second, the one in the later file is the later one
        fresh = [one for id, one in archived.items() if told.get(id) != one.get("archivedAt", "")]
        arrivals.add(self.items(self._shaped(one, {}) for one in fresh))
        arrivals.remove(archived)
        arrivals.put(archived={id: one.get("archivedAt", "") for id, one in archived.items()})
        if not is_first:  # the first fetch has just found everything
            there = {one["id"] for one in self._list(client, properties="hs_object_id")}
            restored = sorted(there - set(arrivals.ids()))
            for part in _parts(restored, LISTED):
                arrivals.add(self.items(self.records(client, self._read(client, part))))
            take_away(arrivals, self, there, now)

    def _list(self, client: RESTClient, **params: str) -> Iterator[Record]:
        yield from _listed(client, f"crm/objects/2026-03/{self.object}", {"limit": str(LISTED), **params})

    def _read(self, client: RESTClient, ids: Sequence[str]) -> list[Record]:
        body = {"inputs": [{"id": id} for id in ids], "properties": list(self.properties), "propertiesWithHistory": []}
        found = _results(client.post(f"crm/objects/2026-03/{self.object}/batch/read", json=body))
        return [one for one in found if one["id"] in ids]


@dataclass(frozen=True)
class Subscriptions(Objects):
    """What the addresses of contacts are subscribed to, read again for each contact that changed.

    HubSpot lists no changes of subscriptions; but each is one of a property of the contact (`hs_email_optout...`).
    """

    id: str = "subscriberIdString"
    changed: str | None = None

    def records(self, client: RESTClient, found: Sequence[Record]) -> list[Record]:
        """One record for each address that HubSpot knows, its statuses in the order of their ids."""
        addresses = sorted({email for one in found if (email := one["properties"].get("email"))})
        path = "communication-preferences/2026-03/statuses/batch/read"
        records: list[Record] = []
        for part in _parts(addresses, LISTED):
            for one in _results(client.post(path, params={"channel": "EMAIL"}, json={"inputs": part})):
                statuses = sorted(one["statuses"], key=lambda status: str(status.get("subscriptionId")))
                records.append({"subscriberIdString": one["subscriberIdString"], "statuses": statuses})
        return records

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        """What somebody said does not go with their contact."""


def _associated(client: RESTClient, object: str, other: str, found: Sequence[Record]) -> dict[str, Any]:
    """By record what stands beside it, as lists tell it: `{"results": [{"id": ..., "type": ...}]}`."""
    beside: dict[str, list[dict[str, str]]] = {}
    inputs: list[dict[str, str]] = [{"id": one["id"]} for one in found]
    while inputs:
        path = f"crm/associations/2026-03/{object}/{other}/batch/read"
        found, inputs = _results(client.post(path, json={"inputs": inputs})), []
        for one in found:
            id = str(one["from"]["id"])
            for to in one["to"]:
                numbers = sorted(kind["typeId"] for kind in to["associationTypes"])
                named = [_TYPES[number] for number in numbers if number in _TYPES]
                beside.setdefault(id, []).append({"id": str(to["toObjectId"]), "type": (named or ["unlabeled"])[0]})
            if after := member(one, "paging.next.after"):
                inputs.append({"id": id, "after": after})
    return {id: {"results": sorted(results, key=lambda one: one["id"])} for id, results in beside.items()}


def _listed(client: RESTClient, path: str, params: Mapping[str, str]) -> Iterator[Record]:
    paginator = JSONResponseCursorPaginator(cursor_path="paging.next.after", cursor_param="after")
    for page in client.paginate(path, params=dict(params), paginator=paginator, data_selector="results"):
        if member(page.response.json(), "results") is None:
            raise Refused(page.response.status_code, "no results in its answer")
        yield from page


def _results(response: Response) -> list[Record]:
    """The results of a batch; what is not there is none. Raises `Refused` for a batch that failed in part."""
    answer = response.json()
    for error in answer.get("errors") or ():
        if error.get("category") != "OBJECT_NOT_FOUND":
            raise Refused(response.status_code, error_code(error))
    return list(answer["results"])


def _parts(values: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
