"""Fetch what is new of a source's tables from its live API into files that extraction then takes in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orchestration.extract.files import Ignored
from orchestration.extract.ledger import Entry
from orchestration.extract.live.api import Api, Settings
from orchestration.extract.live.feed import Feed, Span
from orchestration.extract.live.line import Meter, Pace, Refused, Unavailable
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import text
from orchestration.extract.tables import Source
from orchestration.extract.target import ExtractError


@dataclass
class Fetched:
    """What fetching came to. `cursors`: table -> before and after; `failures`: table -> why it could not be fetched."""

    calls: int = 0
    bytes: int = 0
    throttled: float = 0.0
    quota_left: int | None = None
    records: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


def fetch(
    source: Source, api: Api, settings: Settings, folder: Path, work: Path, loaded: Collection[Entry], span: Span | None
) -> Fetched:
    """Fetch all tables of a source that have a feed, some at the same time; one that fails stops no other.

    `folder` takes the finished files, `work` the progress; `loaded` are the ledger's entries of files in `folder`.
    """
    meter = Meter()
    pace = Pace(api.rates, meter)
    fetched = Fetched()
    feeds = {name: table.live for name, table in source.tables.items() if table.live}

    def one(name: str, feed: Feed) -> None:
        arrivals = Arrivals(folder, work, name, source.tables[name].required)
        try:
            _check(arrivals, name, loaded, fetched)
            before = arrivals.cursor
            try:
                client = api.client(settings, pace, meter)
                if span:
                    feed.fetch_span(client, arrivals, span)
                else:
                    feed.fetch(client, arrivals)
            except (Refused, Unavailable) as error:
                fetched.failures[name] = _explained(source.name, name, error)
            arrivals.finish_file()
            fetched.records[name] = arrivals.rows
            fetched.cursors[name] = (_shown(before), _shown(arrivals.cursor))
        finally:
            arrivals.close()

    with ThreadPoolExecutor(api.parallel, thread_name_prefix=f"fetch-{source.name}") as pool:
        for done in [pool.submit(partial(one, name, feed)) for name, feed in feeds.items()]:
            done.result()
    fetched.calls, fetched.bytes, fetched.throttled = meter.calls, meter.bytes, meter.throttled
    fetched.quota_left = meter.quota_left
    if feeds and len(fetched.failures) == len(feeds):
        raise ExtractError("; ".join(dict.fromkeys(fetched.failures.values())))
    return fetched


def _check(arrivals: Arrivals, table: str, loaded: Iterable[Entry], fetched: Fetched) -> None:
    """Void a state that claims what is neither loaded nor waits to be: of a warehouse that was deleted or put back."""
    known = {Path(entry.file).name for entry in loaded if entry.table_name == table}
    missing = [n for n in arrivals.numbers if arrivals.path(n).name not in known and not arrivals.path(n).exists()]
    if missing:
        arrivals.void()
        fetched.notes.append(
            f"{table}: the warehouse lacks {len(missing):,} of the files that were fetched: all is fetched again"
        )


def _explained(source: str, table: str, error: Refused | Unavailable) -> str:
    what = f"{source}, table {table}: "
    if isinstance(error, Unavailable):
        return f"{what}{error}; what was fetched is kept, and the next run goes on there"
    if error.status in (401, 403):
        return f"{what}the API refuses the credentials ({error}): check them and what they are allowed to read"
    return f"{what}the API refuses the request ({error}): see its documentation for the code"


def _shown(cursor: int | str | None) -> str | None:
    return text(cursor) if isinstance(cursor, int) else cursor
