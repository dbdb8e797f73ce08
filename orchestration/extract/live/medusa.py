"""How Medusa's Admin API hands over what changed: lists by time of change, in the order of ids.

Seen with Medusa 2.21. A filter that a list does not know is refused or passed over in silence, list by list: customers
and orders take `id[$gt]`, products do not; products are listed `with_deleted`, customers are not whatever is asked. One
key orders a list, and no second. A payment leaves an order's `updated_at` as it was, and so does the refund of what a
return made due; an address that of a customer, a variant and its prices that of a product. Nested lists come in any
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.deletions import is_due, take_away
from orchestration.extract.live.feed import Record, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals, Item, item
from orchestration.extract.live.times import MICROSECOND, answered_at, moment, text
from orchestration.extract.live.walk import Steps, Walk, latest
from orchestration.extract.tables import DELETED_AT

_TIMES = "%Y-%m-%dT%H:%M:%S.%fZ"
_PAYMENTS = 200


@dataclass(frozen=True)
class Entities(Walk):
    """The records of one list, with `fields`, at most `size` on a page.

    Pages go on by id where a list can be asked so; else by number, which is safe in the order of ids of a list that
    keeps what was deleted: while pages are turned, records only join it, and what they push on comes twice. Once in
    `every` all is read again: what changed without a time of its own arrives then, and a record that is in the list no
    more as a tombstone.
    """

    name: str = ""
    fields: str = ""
    size: int = 200
    pages: Literal["by id", "by number"] = "by id"
    with_payments: bool = False
    """Whether a record is read again when one of its payments changed."""
    id: str = "id"
    changed: str | None = "updated_at"

    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        # a list by number must not lose a record to a change: it ends at the end
        times = {"updated_at[$gte]": since, "updated_at[$lt]": until if self.pages == "by id" else None}
        asked = {name: text(time, _TIMES) for name, time in times.items() if time is not None}
        if after is not None:
            asked["id[$gt]" if self.pages == "by id" else "offset"] = after
        found, now = _list(client, self.name, {**self._params, "order": "id", "with_deleted": "true", **asked})
        following = str(found[-1]["id"]) if found else ""
        if self.pages == "by number":
            following = str(int(after or 0) + len(found))
        return Steps(found, following if len(found) == self.size else None, latest(found, "updated_at"), now)

    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        arrivals.finish_file()  # of two appearances with one time of change, the one in the later file is the later one
        if self.with_payments:
            self._take_paid(client, arrivals, now)
        if is_due(arrivals, self.every, now):
            there: set[str] = set()
            page = Steps((), "", None, now)
            while page.after is not None:
                page = self.ask(client, page.after or None, None, None)
                there |= {str(one["id"]) for one in page.records}
                arrivals.add(self.items(page.records))
            take_away(arrivals, self, there, now)

    def items(self, records: Iterable[Mapping[str, Any]]) -> list[Item]:
        """The records with what was asked for, in one order: a record that comes again is known by its text."""
        keys = dict.fromkeys(field.lstrip("*").split(".")[0] for field in self.fields.split(","))
        found = []
        for one in records:
            shaped = {key: _sorted(one[key]) for key in keys if key in one}
            if one.get("deleted_at"):
                shaped[DELETED_AT] = one["deleted_at"]
            found.append(item(str(one["id"]), _latest(shaped), shaped))
        return found

    @property
    def _params(self) -> dict[str, Any]:
        return {"fields": self.fields, "limit": self.size}

    def _take_paid(self, client: RESTClient, arrivals: Arrivals, began: int) -> None:
        """Read those records again whose payments changed since the last time; the first fetch has just read all."""
        before = arrivals.get("paid")
        paid: dict[str, str] = {}
        if before is not None:
            orders = set()
            for payment in _payments(client, text(before["since"] - self.overlap // MICROSECOND, _TIMES)):
                paid[payment["id"]] = payment["updated_at"]
                order = member(payment, "payment_collection.order.id")
                if order and before["seen"].get(payment["id"]) != payment["updated_at"]:
                    orders.add(str(order))
            wanted = sorted(orders)
            for start in range(0, len(wanted), self.size):
                part = wanted[start : start + self.size]
                found, _ = _list(client, self.name, {**self._params, "id[]": part})
                arrivals.add(self.items(found))
            arrivals.finish_file()
        arrivals.put(paid={"since": began, "seen": paid})


def _payments(client: RESTClient, since: str) -> Iterator[Record]:
    """Payments that changed since a time, by number: in the order of ids, as none is ever deleted."""
    fields, number = "id,updated_at,payment_collection.order.id", 0
    while True:
        params = {"fields": fields, "order": "id", "limit": _PAYMENTS, "offset": number, "updated_at[$gte]": since}
        found, _ = _list(client, "payments", params)
        yield from found
        number += len(found)
        if len(found) < _PAYMENTS:
            return


def _list(client: RESTClient, name: str, params: Mapping[str, Any]) -> tuple[list[Record], int]:
    """A page of a list, and when it was handed over, there."""
    response = client.get(f"admin/{name}", params=dict(params))
    found = member(response.json(), name)
    if not isinstance(found, list):
        raise Refused(response.status_code, f"no {name} in its answer")
    return found, answered_at(response)


def _sorted(value: Any) -> Any:
    """A value whose lists of records are in the order of their ids."""
    if isinstance(value, Mapping):
        return {key: _sorted(one) for key, one in value.items()}
    if isinstance(value, list):
        parts = [_sorted(one) for one in value]
        if all(isinstance(one, Mapping) and "id" in one for one in parts):
            parts.sort(key=lambda one: str(one["id"]))
        return parts
    return value


def _latest(value: Any) -> int | None:
    """The latest time of change of a record and of what stands in it."""
    if isinstance(value, Mapping):
        times = [moment(value.get("updated_at")), *(_latest(one) for one in value.values())]
    elif isinstance(value, list):
        times = [_latest(one) for one in value]
    else:
        return None
    return max((time for time in times if time is not None), default=None)
