"""Fetch what is new of a source's tables from its live API into files that extraction then takes in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from orchestration.extract.files import Ignored
from orchestration.extract.ledger import Entry
from orchestration.extract.live.api import Api, Settings
from orchestration.extract.live.feed import Feed, Span
from orchestration.extract.live.line import Meter, Refused, Unavailable
from orchestration.extract.live.state import Arrivals
from orchestration.extract.live.times import text
from orchestration.extract.tables import Source, Table
from orchestration.extract.target import ExtractError


@dataclass
class Fetched:
    """What fetching came to. `cursors`: table -> before and after; `failures`: table -> why it could not be fetched."""

    calls: int = 0
    bytes: int = 0
    seconds: float = 0.0
    throttled: float = 0.0
    quota_left: int | None = None
    records: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A feed of a table and the API it is asked of, with what the environment says about that."""

    table: Table
    feed: Feed
    api: Api
    settings: Settings
    adds_up: bool
    """Whether other APIs may bring rows of the same table."""

    @property
    def name(self) -> str:
        """The table's name; with the API's, where a table has several."""
        return f"{self.table.name}_{self.api.name}" if self.adds_up and len(self.table.live) > 1 else self.table.name


def jobs(source: Source) -> list[Job]:
    """What can be fetched: the feeds whose API has its credentials. Raises `ExtractError` where it has half of
    them, or where there are two that say the same."""
    found = []
    for table in source.tables.values():
        for feed in table.live:
            api = feed.api or source.api
            if api and (settings := api.settings(source.name)):
                found.append(Job(table, feed, api, settings, adds_up=source.api is None))
    chosen = sorted({job.api.variable(source.name) for job in found})
    if source.api and len(chosen) > 1:
        raise ExtractError(f"{source.name} is told to come in by {' and by '.join(chosen)}: unset one")
    return found


def fetch(source: Source, folder: Path, work: Path, loaded: Collection[Entry], span: Span | None) -> Fetched:
    """Fetch all tables of a source that have a feed, some at the same time; one that fails stops no other.

    `folder` takes the finished files, `work` the progress; `loaded` are the ledger's entries of files in `folder`.
    """
    meter = Meter()
    fetched = Fetched()
    todo = jobs(source)
    clients = {job.api: job.api.clients(job.settings, meter) for job in todo}

    def one(job: Job) -> None:
        arrivals = Arrivals(folder, work, job.name, job.table.required)
        try:
            _check(arrivals, job.table.name, loaded, fetched)
            before = arrivals.cursor
            try:
                if span:
                    job.feed.fetch_span(clients[job.api](), arrivals, span)
                else:
                    job.feed.fetch(clients[job.api](), arrivals)
            except (Refused, Unavailable) as error:
                fetched.failures[job.name] = explained(source.name, job.name, error)
            arrivals.finish_file()
            fetched.records[job.name] = arrivals.rows
            fetched.cursors[job.name] = (_shown(before), _shown(arrivals.cursor))
        finally:
            arrivals.close()

    parallel = max(job.api.parallel for job in todo)
    with ThreadPoolExecutor(parallel, thread_name_prefix=f"fetch-{source.name}") as pool:
        for done in [pool.submit(one, job) for job in todo]:
            done.result()
    fetched.calls, fetched.bytes, fetched.throttled = meter.calls, meter.bytes, meter.throttled
    fetched.quota_left = meter.quota_left
    if len(fetched.failures) == len(todo):
        raise ExtractError("; ".join(dict.fromkeys(fetched.failures.values())))
    return fetched


def _check(arrivals: Arrivals, table: str, loaded: Iterable[Entry], fetched: Fetched) -> None:
    """Void a state that claims what is neither loaded nor waits to be: of a warehouse that was deleted or put back."""
    known = {entry.file for entry in loaded if entry.table_name == table}
    here = f"{arrivals.folder.name}/"
    numbers = [int(Path(file).name.split(".")[0]) for file in known if file.startswith(here)]
    arrivals.begin_beyond(max(numbers, default=0))
    paths = [arrivals.path(number) for number in arrivals.numbers]
    missing = [path for path in paths if here + path.name not in known and not path.exists()]
    if missing:
        arrivals.void()
        fetched.notes.append(
            f"{table}: the warehouse lacks {len(missing):,} of the files that were fetched: all is fetched again"
        )


def explained(source: str, table: str, error: Refused | Unavailable) -> str:
    """What a vendor's answer means, and what to do."""
    what = f"{source}, table {table}: "
    if isinstance(error, Unavailable):
        return f"{what}{error}; what was fetched is kept, and the next run goes on there"
    if error.status in (401, 403):
        return f"{what}the API refuses the credentials ({error}): check them and what they are allowed to read"
    return f"{what}the API refuses the request ({error}): see its documentation for the code"


def _shown(cursor: int | str | None) -> str | None:
    return text(cursor) if isinstance(cursor, int) else cursor
