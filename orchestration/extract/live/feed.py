"""What the feeds of all vendors have in common: which record it is, when it changed, what to ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.sources.helpers.rest_client.client import RESTClient

from orchestration.extract.live.api import Api
from orchestration.extract.live.state import Arrivals, Item, item
from orchestration.extract.live.times import moment, text
from orchestration.extract.tables import DELETED_AT, Type


@dataclass(frozen=True)
class Span:
    """A range to fetch again, from (inclusive) to (exclusive), in microseconds since 1970."""

    since: int
    until: int

    @classmethod
    def of(cls, since: datetime, until: datetime) -> Span:
        """From one moment to another, UTC where they name no zone. Raises ValueError for an empty range."""
        ends = [moment(time.isoformat()) for time in (since, until)]
        if ends[0] is None or ends[1] is None or ends[0] >= ends[1]:
            raise ValueError("the range must end after it begins")
        return cls(ends[0], ends[1])

    @property
    def name(self) -> str:
        return f"again:{self.since}:{self.until}"


Record = Mapping[str, Any]


class Feed(ABC):
    """How one table is fetched."""

    id: str
    """The key of the record's id; a dot goes into nested objects."""
    changed: str | None
    """The key of the time of its last change, None where it has none."""
    gone: Callable[[Record], Any] | None = None
    """Whether a record says of itself that it was deleted."""
    api: Api | None = None
    """The API that it is asked of, where that is not the source's."""

    @abstractmethod
    def fetch(self, client: RESTClient, arrivals: Arrivals) -> None:
        """Take what is new since the progress of the arrivals, page by page."""

    @abstractmethod
    def fetch_span(self, client: RESTClient, arrivals: Arrivals, span: Span) -> None:
        """Take a range again, page by page, and leave the cursor as it is. Goes on where it was killed."""

    def tombstone(self, required: Mapping[str, Type], id: str, at: int) -> Item:
        """A record that says that another one was deleted: its id and that time, also where a time is required."""
        time = text(at)
        record: dict[str, Any] = {key: id if kind == "text" else time for key, kind in required.items()}
        for path, value in ((self.id, id), (self.changed, time)):
            place = record
            *outer, last = path.split(".") if path else ("",)
            for key in outer:
                place = place.setdefault(key, {})
            if last:
                place[last] = value
        return item(id, at, {**record, DELETED_AT: time})

    def items(self, records: Iterable[Mapping[str, Any]]) -> list[Item]:
        """The records of a page, ready to be written."""
        result = []
        for one in records:
            at = moment(member(one, self.changed))
            if self.gone and self.gone(one):
                one = {**one, DELETED_AT: None if at is None else text(at)}
            result.append(item(str(member(one, self.id)), at, one))
        return result


def member(record: Mapping[str, Any], path: str | None) -> Any:
    """The value at a key or a dotted path of keys; None where there is none."""
    value: Any = record
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if path else None
