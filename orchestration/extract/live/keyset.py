"""Records in the order of their change, from a time on: for APIs whose pages are numbered and whose times tie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.feed import Feed, Record, Span
from orchestration.extract.live.state import Arrivals, Item
from orchestration.extract.live.times import MICROSECOND

Answer = tuple[Sequence[Record], int]
"""Records, and when they were handed over, by the system's clock."""


@dataclass(frozen=True)
class Keyset(Feed):
    """Pages of `size` records that changed at a time or later, in the order of that time.

    Pages by number skip a record whenever one before it changes, and so moves to the end. So no number is carried from
    one time to the next: each page asks from the time of the last record on. Only where a page is full of one time
    are pages counted, each beginning with the last rows of the one before: when it does not, something moved, and the
    time is begun again. What comes twice is not written twice.
    """

    size: int = 100
    overlap: timedelta = timedelta(minutes=5)

    @abstractmethod
    def ask(self, client: RESTClient, since: int | None, until: int | None, offset: int) -> Answer:
        """At most `size` records by time of change and id, from a time (None: all) to one (exclusive, None: on)."""

    def take_deletions(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        """Take what was deleted, where the system tells or when it is time to compare."""

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        now = self._follow(client, arrivals, "since", self._window(arrivals), None)
        arrivals.forget(self._window(arrivals), keep_latest=True)
        self.take_deletions(client, arrivals, now)

    def _window(self, arrivals: Arrivals) -> int | None:
        """From when on a run asks, and so what was taken must be known."""
        since = arrivals.get("since")
        return None if since is None else since - self.overlap // MICROSECOND

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        reached = arrivals.get(span.name)
        self._follow(client, arrivals, span.name, span.since if reached is None else reached, span.until)
        arrivals.put(**{span.name: None})

    def _follow(self, client: RESTClient, arrivals: Arrivals, name: str, since: int | None, until: int | None) -> int:
        """Follow the changes to their end; returns when the first page was answered."""
        offset, before, began = 0, frozenset[str](), None
        while True:
            rows, now = self.ask(client, since, until, offset)
            began = began or now
            items = self.items(rows)
            ids = frozenset(one.id for one in items)
            if offset and not ids & before:
                offset = 0
                continue
            reached = max((one.at for one in items if one.at is not None), default=None)
            held = arrivals.get(name)
            arrivals.add(items, **{name: held if reached is None else max(reached, held or reached)})
            if len(items) < self.size:
                return began
            before = ids
            if reached is not None and (since is None or reached > since) and _ends_later(items):
                since, offset = reached, 0
            else:
                offset += self.size - self.size // 10


def _ends_later(items: Sequence[Item]) -> bool:
    """Whether a page has more than one time: then the next one can begin at the last."""
    return items[0].at != items[-1].at
