"""An export stream: the system hands over what changed after a mark of its own, and a new mark with each page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.feed import Feed, Record, Span, member
from orchestration.extract.live.line import Refused
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import text

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Export(Feed):
    """The stream at `path`, the records of a page at `records`.

    The answer has the mark at `mark`, which is handed back as the parameter `param`; the first call has the parameter
    `start`, seconds since 1970. `end` is true on the last page. `expand` makes records of what a page has, where the
    two are not the same. The vendor leaves out its last minute, so that nothing becomes visible behind the mark: no
    overlap is read.
    """

    path: str
    records: str
    mark: str
    param: str
    end: str = "end_of_stream"
    start: str = "start_time"
    id: str = "id"
    changed: str | None = "updated_at"
    params: Mapping[str, str] = field(default_factory=dict)
    expand: Callable[[Iterable[Record]], Iterable[Record]] = lambda records: records
    gone: Callable[[Record], Any] | None = None

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        high = self._follow(client, arrivals, "since", "0", None)
        # a page may come again after a call whose answer was lost, and no longer
        arrivals.forget(high and high - _DAY, keep_latest=False)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        self._follow(client, arrivals, span.name, text(span.since, "%s"), span.until)
        arrivals.put(**{span.name: None})

    def _follow(self, client: RESTClient, arrivals: Arrivals, name: str, start: str, until: int | None) -> int | None:
        """Follow the stream to its end, or to the first page that is beyond `until`. Returns the latest change."""
        high = None
        while True:
            mark = arrivals.get(name)
            asked = {self.start: start} if mark is None else {self.param: str(mark)}
            answer = client.get(self.path, params={**self.params, **asked}).json()
            found = member(answer, self.records)
            if not isinstance(found, list):
                raise Refused(200, f"no {self.records} in its answer")
            items = self.items(self.expand(found))
            times = [one.at for one in items if one.at is not None]
            high = max((*times, high or 0)) or None
            following = member(answer, self.mark) or mark
            arrivals.add(
                [one for one in items if until is None or one.at is None or one.at < until], **{name: following}
            )
            is_beyond = until is not None and bool(times) and min(times) >= until
            if member(answer, self.end) or following == mark or is_beyond:
                return high
