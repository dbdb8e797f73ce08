"""Events: once each, whatever happens to the answer.

`unique_id` deduplicates events of a profile and metric; one that is repeated within a request fails the request, so a
row's is the hash of sync, key and payload: two rows never share one, and a row that is sent again has the same.
A bulk call is answered with 202 and cannot be asked for its result; what is wrong with a row's form is told at once,
by pointer.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from reverse_etl.destination import Batch, Outcome, Row, Target
from reverse_etl.destinations.klaviyo.client import Client, parts

IDENTIFIERS = ("email", "phone_number", "external_id")
_OWN = frozenset({*IDENTIFIERS, "metric", "time", "value", "value_currency"})


class Events:
    """`metric`: the name of all events, where the model has no column `metric`. `backfill`: start no flows."""

    def __init__(self, client: Client, target: Target, metric: str | None, backfill: bool) -> None:
        self._client = client
        self._target = target
        self._metric = metric
        self._backfill = backfill

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        sendable = []
        for row, values in batch.records():
            if not any(values.get(name) for name in IDENTIFIERS):
                yield Outcome(row.key, "rejected", error_class="no_profile")
            else:
                sendable.append((row, self._event(row, values)))
        for part in parts(sendable):
            _, taken, refused = await self._client.submit(
                "/event-bulk-create-jobs", part, _event_job, "events-bulk-create"
            )
            for outcome in refused:
                yield outcome
            for row, _ in taken:
                yield Outcome(row.key, "accepted")

    def _event(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        profile = {name: values[name] for name in IDENTIFIERS if values.get(name)}
        metric = {"type": "metric", "attributes": {"name": values.get("metric") or self._metric}}
        properties = {name: value for name, value in values.items() if name not in _OWN and value is not None}
        identity = f"{self._target.sync}\0{row.key}\0{row.payload_hash}".encode()
        attributes = {
            "properties": properties,
            "metric": {"data": metric},
            "unique_id": hashlib.sha256(identity).hexdigest(),
            **{name: values[name] for name in ("time", "value", "value_currency") if values.get(name) is not None},
        }
        return {
            "type": "event-bulk-create",
            "attributes": {
                "backfill": self._backfill,
                "profile": {"data": {"type": "profile", "attributes": profile}},
                "events": {"data": [{"type": "event", "attributes": attributes}]},
            },
        }


def _event_job(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    attributes = {"events-bulk-create": {"data": list(events)}}
    return {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
