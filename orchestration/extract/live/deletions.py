"""How a table learns what was deleted in the system, which a list of changes does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.feed import Feed, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals, Item
from orchestration.extract.live.times import MICROSECOND

if TYPE_CHECKING:
    from orchestration.extract.live.listing import Listing

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ByEvents:
    """By a list of what was deleted: `events` is that list, its `id` names the record and its `changed` the time."""

    events: Listing
    needs_every_id = False

    def take(self, client: RESTClient, arrivals: Arrivals, of: Listing, now: int) -> None:
        """Take the deletions since the last time; what was deleted before the first fetch was never seen."""
        if arrivals.get("deleted_since") is None:
            arrivals.put(deleted_since=now)
            return

        def tombstones(events: Any) -> list[Item]:
            told = [(str(member(one.record, self.events.id)), one.at) for one in self.events.items(events)]
            return [of.tombstone(arrivals.required, id, at or now) for id, at in told]

        arrivals.finish_file()  # of two appearances in one second, the one in the later file is the later one
        self.events.advance(client, arrivals, "deleted_since", tombstones)


@dataclass(frozen=True)
class ByIds:
    """By comparing what the system lists with what was ever taken, once in `every`.

    `params` ask the list of the table for ids only, in their order: pages by number would skip a record whenever one
    before it is deleted meanwhile.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    every: timedelta = DAY
    needs_every_id = True

    def take(self, client: RESTClient, arrivals: Arrivals, of: Listing, now: int) -> None:
        """Compare, when it is time."""
        if is_due(arrivals, self.every, now):
            first = {"path": of.path, "params": self.params}
            there = {str(member(record, of.id)) for page in of.pages(client, first) for record in page.records}
            take_away(arrivals, of, there, now)


def is_due(arrivals: Arrivals, every: timedelta, now: int) -> bool:
    """Whether it is time to compare ids again, by the system's clock; the first fetch has just seen all of them."""
    before = arrivals.get("compared")
    if before is None:
        arrivals.put(compared=now)
        return False
    return not before <= now < before + every // MICROSECOND


def take_away(arrivals: Arrivals, of: Feed, there: set[str], now: int) -> None:
    """Let a tombstone arrive for every record that was taken and is not among those that are there.

    Raises `Refused` where so much is missing that the list must be wrong.
    """
    known = set(arrivals.ids())
    gone = sorted(known - there)
    if len(gone) > 100 and len(gone) > len(known) / 2:
        raise Refused(
            200, f"a list without {len(gone):,} of {len(known):,} records, which we do not take for deletions"
        )
    arrivals.finish_file()
    arrivals.add([of.tombstone(arrivals.required, id, now) for id in gone])
    arrivals.remove(gone)
    arrivals.put(compared=now)
