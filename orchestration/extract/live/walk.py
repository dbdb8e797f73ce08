"""What changed in a window of time, in the order of ids: for APIs that are told by an id where a page begins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.deletions import DAY
from orchestration.extract.live.feed import Feed, Record, Span
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import MICROSECOND, moment


@dataclass(frozen=True)
class Steps:
    """A page: its records, the last id of it where more may follow (else None), the latest change, and when it was
    handed over, there."""

    records: Sequence[Record]
    after: str | None
    latest: int | None
    answered_at: int


@dataclass(frozen=True)
class Walk(Feed):
    """A run asks for what changed since the cursor, less `overlap`, and goes on behind the last id of each page.

    So no page depends on what came before it, and a record that changes meanwhile is skipped by none: it is in this
    list, or in the next run's. For the cursor moves when the list has come to its end: to the latest change that was
    seen, but not beyond the time at which the list began by the system's own clock.

    Once in `every`, what is gone is looked for.
    """

    overlap: timedelta = timedelta(minutes=5)
    every: timedelta = DAY

    @abstractmethod
    def ask(self, client: RESTClient, after: str | None, since: int | None, until: int | None) -> Steps:
        """What comes behind an id (None: from the first on) of what changed from a time (None: all) to one."""

    @abstractmethod
    def look_for_gone(self, client: RESTClient, arrivals: Arrivals, now: int) -> None:
        """Take what was deleted, where it is time to look for it."""

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        since, overlap = arrivals.get("since"), self.overlap // MICROSECOND
        high, began = self._take(client, arrivals, "list", None if since is None else since - overlap, None)
        if high is not None:
            since = max(min(high, began), since or 0)
        arrivals.put(since=since, list=None)
        arrivals.forget(None if since is None else since - overlap, keep_latest=True)
        self.look_for_gone(client, arrivals, began)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        self._take(client, arrivals, span.name, span.since, span.until)
        arrivals.put(**{span.name: None})

    def _take(
        self, client: RESTClient, arrivals: Arrivals, name: str, since: int | None, until: int | None
    ) -> tuple[int | None, int]:
        """Walk to the end, from where a run before this one stopped; the latest change seen, and when it began."""
        progress = arrivals.get(name) or {"after": None, "high": None, "began": None, "ended": False}
        with ThreadPoolExecutor(1) as pool:  # each next page is on its way while the one before is written
            coming = None if progress["ended"] else pool.submit(self.ask, client, progress["after"], since, until)
            while coming:
                page = coming.result()
                is_last = page.after is None
                coming = None if is_last else pool.submit(self.ask, client, page.after, since, until)
                progress = {
                    "after": page.after,
                    "high": max(page.latest or 0, progress["high"] or 0) or None,
                    "began": progress["began"] or page.answered_at,
                    "ended": is_last,
                }
                arrivals.add(self.items(page.records), **{name: progress})
        return progress["high"], progress["began"]


def latest(records: Sequence[Record], changed: str) -> int | None:
    """The latest of the times of change, which stand at a key."""
    return max((time for one in records if (time := moment(one.get(changed))) is not None), default=None)
