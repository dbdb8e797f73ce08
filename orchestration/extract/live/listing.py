"""A list with pages: the commonest way in which APIs hand over what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator

from orchestration.extract.live.feed import Feed, Span, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import answered_at, text

# what a vendor may answer to a page of yesterday's: the list is then begun again
_STALE = frozenset({400, 404, 410, 422})


@dataclass(frozen=True)
class Listing(Feed):
    """The records at `path`, those of a page at the JSON path `records`.

    `since` are parameters in which `{since}` stands for the cursor, `between` those with `{since}` and `{until}`;
    `times` says how they are written (strftime, in UTC). `overlap` is how far before the cursor a run begins: for
    ties at page borders, clocks that differ, and changes that become visible late.

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

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        since = arrivals.get("since")
        asked = {} if since is None else self._filled(self.since, since=since - self._overlap)
        self._take(client, arrivals, "list", asked)
        progress = arrivals.get("list")
        ends = [time for time in (progress["high"], progress["started"]) if time is not None]
        reached = None if progress["high"] is None else max(min(ends), since or 0)
        arrivals.put(since=since if reached is None else reached, list=None)
        arrivals.forget(None if reached is None else reached - self._overlap, keep_latest=False)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        self._take(client, arrivals, span.name, self._filled(self.between, since=span.since, until=span.until))
        arrivals.put(**{span.name: None})

    def _take(self, client: RESTClient, arrivals: Arrivals, name: str, asked: Mapping[str, str]) -> None:
        """Turn the pages to the end, from where a run before this one stopped."""
        progress = arrivals.get(name)
        try:
            self._turn(client, arrivals, name, asked, progress)
        except Refused as refused:
            if not progress or not progress["next"] or refused.status not in _STALE:
                raise
            arrivals.put(**{name: None})
            self._turn(client, arrivals, name, asked, None)

    def _turn(self, client: RESTClient, arrivals: Arrivals, name: str, asked: Mapping[str, str], progress: Any) -> None:
        progress = progress or {"next": None, "high": None, "started": None}
        first = progress["next"] or {"path": self.path, "params": {**self.params, **asked}}
        if progress["next"] == {}:
            return
        for page in self._pages(client, first):
            if member(page.response.json(), self.records) is None:
                raise Refused(page.response.status_code, f"no {self.records} in its answer")
            items = self.items(page)
            times = [one.at for one in items if one.at is not None]
            progress = {
                "next": _next(page),
                "high": max((*times, progress["high"] or 0)) if times else progress["high"],
                "started": progress["started"] or answered_at(page.response),
            }
            arrivals.add(items, **{name: progress})

    def _pages(self, client: RESTClient, first: Mapping[str, Any]) -> Iterator[PageData[Any]]:
        return client.paginate(**first, paginator=self.paginator(), data_selector=self.records)

    def _filled(self, params: Mapping[str, str], **times: int) -> dict[str, str]:
        values = {name: text(time, self.times) for name, time in times.items()}
        return {name: value.format(**values) for name, value in params.items()}

    @property
    def _overlap(self) -> int:
        return self.overlap // timedelta(microseconds=1)


def _next(page: PageData[Any]) -> dict[str, Any]:
    """The request of the next page, for a run that goes on there; empty at the end. Headers (keys) are not in it."""
    if not page.paginator.has_next_page:
        return {}
    request = page.request
    found = {"path": request.url, "params": request.params, "json": request.json}
    return {name: value for name, value in found.items() if value}
