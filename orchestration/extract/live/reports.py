"""Reports by day: figures that the vendor restates for weeks, and so are asked for again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.api import Api
from orchestration.extract.live.feed import Feed, Record, Span
from orchestration.extract.live.state import Arrivals, item


class Ask(Protocol):
    def __call__(self, client: RESTClient, first: date, last: date, /) -> Iterable[Record]:
        """The rows of the days from the first to the last, both included."""


@dataclass(frozen=True)
class Report(Feed):
    """Rows told apart by `keys`, one set per day in the account's zone.

    Each run asks for the days since the last one and the `restated` days before it; the first for the `history` of
    the vendor, a month at a time.
    """

    api: Api = field()  # or it had the default of the class above
    ask: Ask
    keys: tuple[str, ...]
    restated: timedelta = timedelta(days=30)
    history: timedelta = timedelta(days=36 * 30)
    id: str = ""
    changed: str | None = None

    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        # a day more, as the account may be ahead of UTC
        today = datetime.now(UTC).date() + timedelta(days=1)
        reached = arrivals.get("since")
        first = today - self.history if reached is None else date.fromisoformat(reached) - self.restated
        self._take(client, arrivals, "since", min(first, today), today)

    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        first, beyond = (datetime.fromtimestamp(time / 1e6, UTC).date() for time in (span.since, span.until))
        reached = arrivals.get(span.name)
        self._take(client, arrivals, span.name, date.fromisoformat(reached) if reached else first, beyond)
        arrivals.put(**{span.name: None})

    def _take(self, client: RESTClient, arrivals: Arrivals, name: str, first: date, last: date) -> None:
        """Month by month; the progress is the last day of a month that was taken, and never moves back."""
        while first <= last:
            end = min(last, first + timedelta(days=30))
            rows = [item(self._name(row), None, row) for row in self.ask(client, first, end)]
            held = arrivals.get(name)
            arrivals.add(rows, **{name: max(held or "", end.isoformat())})
            first = end + timedelta(days=1)

    def _name(self, row: Record) -> str:
        return "|".join(str(row.get(key)) for key in self.keys)
