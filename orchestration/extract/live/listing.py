"""A list with pages: the commonest way in which APIs hand over what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator

from orchestration.extract.live.deletions import ByEvents, ByIds
from orchestration.extract.live.feed import Feed, Record, Span, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals, Item
from orchestration.extract.live.times import MICROSECOND, answered_at, text

# what a vendor may answer to a page of yesterday's: the list is then begun again
_STALE = frozenset({400, 404, 410, 422})


Deletions = ByEvents | ByIds
Make = Callable[[Iterable[Mapping[str, Any]]], list[Item]]
"""Makes of the records of a page what is written of it."""


@dataclass(frozen=True)
class Page:
    """Records, the request of the next page (empty: there is none), and when they were handed over, there."""

    records: Sequence[Record]
    following: Mapping[str, Any]
    answered_at: int


@dataclass(frozen=True)
class Listing(Feed):
    """The records at `path`, those of a page at the JSON path `records`.

    `since` are parameters in which `{since}` stands for the cursor, `between` those with `{since}` and `{until}`;
    `times` says how they are written (strftime, in UTC). `overlap` is how far before the cursor a run begins: for
    ties at page borders, clocks that differ, and changes that become visible late. `deleted`: how deletions are told.

    The cursor moves when the list has come to its end: to the latest change that was seen, but not beyond the time at
    which the list began by the vendor's own clock. What changes while pages are turned may be missed by them, and is
    then in the next run's list.
    """

    path: str
    records: str
    paginator: Callable[[], BasePaginator]
    id: str = "id"
    changed: str | None = "updated_at"
    params: Mapping[str, Any] = field(default_factory=dict)
    since: Mapping[str, str] = field(default_factory=dict)
    between: Mapping[str, str] = field(default_factory=dict)
    times: str = "%Y-%m-%dT%H:%M:%SZ"
    overlap: timedelta = timedelta(minutes=5)

    deleted: Deletions | None = None
    gone: Callable[[Record], Any] | None = None

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        began = self.advance(client, arrivals, "since", self.items)
        reached = arrivals.get("since")
        arrivals.forget(
            None if reached is None else reached - self.overlap // MICROSECOND,
            keep_latest=self.deleted is not None and self.deleted.needs_every_id,
        )
        if self.deleted:
            self.deleted.take(client, arrivals, self, began)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        # some say `greater-than`, some include the time itself: a microsecond before it is right for both
        asked = self._filled(self.between, since=span.since - 1, until=span.until)
        self._take(client, arrivals, span.name, asked, self.items)
        arrivals.put(**{span.name: None})

    def advance(self, client: RESTClient, arrivals: Arrivals, cursor: str, make: Make) -> int:
        """Turn the pages of what changed since a cursor, and move it. Returns when the list began, there."""
        since = arrivals.get(cursor)
        asked = {}
        if since is not None:
            asked = self._filled(self.since, since=since - self.overlap // MICROSECOND)
        name = f"{cursor} list"
        self._take(client, arrivals, name, asked, make)
        progress = arrivals.get(name)
        began = progress["began"]
        if (high := progress["high"]) is not None:
            since = max(min(high, began), since or 0)
        arrivals.put(**{cursor: since, name: None})
        return int(began)

    def _take(self, client: RESTClient, arrivals: Arrivals, name: str, asked: Mapping[str, str], make: Make) -> None:
        """Turn the pages to the end, from where a run before this one stopped."""
        progress = arrivals.get(name)
        try:
            self._turn(client, arrivals, name, asked, make, progress)
        except Refused as refused:
            if not progress or not progress["next"] or refused.status not in _STALE:
                raise
            arrivals.put(**{name: None})
            self._turn(client, arrivals, name, asked, make, None)

    def _turn(
        self,
        client: RESTClient,
        arrivals: Arrivals,
        name: str,
        asked: Mapping[str, str],
        make: Make,
        progress: Any,
    ) -> None:
        progress = progress or {"next": None, "high": None, "began": None}
        if progress["next"] == {}:  # killed between the last page and the move of the cursor
            return
        first = progress["next"] or {"path": self.path, "params": {**self.params, **asked}}
        for page in _ahead(self.pages(client, first)):
            items = make(page.records)
            times = [one.at for one in items if one.at is not None]
            progress = {
                "next": page.following,
                "high": max((*times, progress["high"] or 0)) if times else progress["high"],
                "began": progress["began"] or page.answered_at,
            }
            arrivals.add(items, **{name: progress})

    def pages(self, client: RESTClient, first: Mapping[str, Any]) -> Iterator[Page]:
        """The pages from a request on. Raises `Refused` for an answer without records where they should be."""
        try:
            for page in client.paginate(**first, paginator=self.paginator(), data_selector=self.records):
                records = member(page.response.json(), self.records)
                if not isinstance(records, list):
                    raise Refused(page.response.status_code, f"no {self.records} in its answer")
                yield Page(records, _following(page), answered_at(page.response))
        except ValueError:  # dlt's paginators quote the answer
            raise Refused(200, "an answer that does not say whether there are more pages") from None

    def _filled(self, params: Mapping[str, str], **times: int) -> dict[str, str]:
        values = {name: text(time, self.times) for name, time in times.items()}
        return {name: value.format(**values) for name, value in params.items()}


def _ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages, each next one on its way while the one before is written."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, pages, None)
        while page := following.result():
            following = pool.submit(next, pages, None)
            yield page


def _following(page: PageData[Any]) -> dict[str, Any]:
    """The request of the next page, for a run that goes on there; empty at the end. Headers (keys) are not in it."""
    if not page.paginator.has_next_page:
        return {}
    request = page.request
    found = {"path": request.url, "params": request.params, "json": request.json}
    return {name: value for name, value in found.items() if value}
