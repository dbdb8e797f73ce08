"""Extract one source: what is new in its files becomes rows of `raw_<source>`."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count

import duckdb

from kinship.settings import settings
from kinship.sql import literal, quoted
from kinship.writing import Tell, Turn
from orchestration.extract.files import Found, Ignored, find
from orchestration.extract.landing import Landing, Outcome
from orchestration.extract.ledger import Entry, Plan, by_table, plan
from orchestration.extract.live.feed import Span
from orchestration.extract.live.fetch import Fetched
from orchestration.extract.tables import LEDGER, QUARANTINE, ColumnType, Landed, Source, Stream, Table, sources
from orchestration.extract.target import Busy, ExtractError, Note, alone, target
from orchestration.extract.ways import Fetch, way


@dataclass
class ExtractResult:
    """What one extraction did. `rows` and `quarantined` (per reason) are by table; `bytes` is what was read."""

    source: str
    location: str
    rows: dict[str, int]
    quarantined: dict[str, dict[str, int]]
    files: int = 0
    bytes: int = 0
    ignored: list[Ignored] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load_ids: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fetched: Fetched | None = None
    """What its live API was asked and answered; None for a source that comes in from files."""


class Run:
    """One extraction of a source: what is planned, and what has been landed so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.started = datetime.now(UTC)
        self.way = way(source)
        self.path = self.way.path
        self.folder = settings().state / "landing" / source.name
        self.outcomes: dict[str, Outcome] = {}
        self.ledger: list[Entry] = []

    @property
    def location(self) -> str:
        """Where the files lie; relative to the data folder when in it, so that it can be moved or put back."""
        state = settings().state
        return self.path.relative_to(state).as_posix() if self.path.is_relative_to(state) else str(self.path)

    @cached_property
    def files(self) -> tuple[list[Found], list[Ignored]]:
        if self.path.exists():
            return find(self.path, list(self.source.tables))
        if self.way.said_by and not self.way.fetch:
            raise ExtractError(
                f"{self.way.said_by} points to {self.path}, which does not exist: correct it or unset it"
            )
        return [], []

    @cached_property
    def known(self) -> tuple[dict[str, set[str]], list[Entry]]:
        """The tables that exist in the warehouse, and the ledger."""
        return target().known(self.source)

    @cached_property
    def now(self) -> datetime:
        """When this run began; later than any run before it, also where our clock was put back.

        What was taken later counts as later (dbt_project/macros/appearances.sql).
        """
        latest = max((entry.extracted_at for entry in self.known[1]), default=None)
        return max(self.started, latest + timedelta(microseconds=1)) if latest else self.started

    @cached_property
    def plan(self) -> Plan:
        stamp = self.now.strftime("%Y%m%d%H%M%S%f")
        entries = [entry for entry in self.known[1] if entry.table_name in self.source.tables]
        return plan(self.location, self.files[0], entries, (f"{stamp}-{number:06d}" for number in count(1)))

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The reader of the source's files, apart from the warehouse."""
        self.folder.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set memory_limit = '2GB'")
        connection.execute("set temp_directory = ?", [str(self.folder / "spill")])
        return connection

    def is_complete(self, table: str, columns: tuple[str, ...]) -> bool:
        """Whether the warehouse has the table with at least these columns."""
        return self.known[0].get(table, set()).issuperset(columns)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to load: records, or a table or column that does not exist yet."""
        wanted: dict[str, tuple[str, ...]] = {table.name: table.columns for table in self.source.tables.values()}
        wanted["quarantine"] = tuple(QUARANTINE)
        wanted["extracted_files"] = tuple(LEDGER)
        return bool(self.plan) or not all(self.is_complete(table, columns) for table, columns in wanted.items())

    def land(self, table: Table) -> list[Landed]:
        """Read the new parts of one table."""
        landing = Landing(table, self.folder, self.connection, self.now)
        parts = by_table(self.plan.parts).get(table.name, [])
        outcome = landing.land(parts)
        self.outcomes[table.name] = outcome
        read = [landing.entry(part, self.location, outcome) for part in parts if part.file_id not in outcome.skipped]
        skipped = {part.found.file for part in outcome.skipped.values()}
        self.ledger += read
        self.ledger += [
            entry for entry in self.plan.changed if entry.table_name == table.name and entry.file not in skipped
        ]
        return outcome.landed

    def records(self, table: Table) -> list[Landed]:
        """What is to be loaded into a table: its new records, or a file without rows if it lacks a column."""
        landed = list(table.function(_Files(self, table)))
        if not landed and not self.is_complete(table.name, table.columns):
            landed = [self.nothing(table.name, dict.fromkeys(table.columns, "text"))]
        return landed

    def quarantine(self) -> list[Landed]:
        """What could not be taken of the tables read so far."""
        landed = [file for outcome in self.outcomes.values() for file in outcome.quarantine]
        if not landed and not self.is_complete("quarantine", tuple(QUARANTINE)):
            landed = [self.nothing("quarantine", QUARANTINE)]
        return landed

    def nothing(self, table: str, types: Mapping[str, ColumnType]) -> Landed:
        """A landing file without rows, so that the table comes into being."""
        names = {"text": "varchar", "bigint": "bigint", "timestamp": "timestamptz"}
        columns = ", ".join(f"cast(null as {names[type_]}) as {quoted(column)}" for column, type_ in types.items())
        target = self.folder / f"{table}-nothing.parquet"
        self.connection.execute(f"copy (select {columns} limit 0) to {literal(str(target))} (format parquet)")
        return Landed(str(target), 0, tuple(types))

    @property
    def here(self) -> list[Entry]:
        """The ledger of the files at this place."""
        return [entry for entry in self.known[1] if entry.location == self.location]

    def prune(self) -> None:
        """Remove the arrivals whose rows are loaded: the warehouse has them. A later state of a file stays."""
        if self.way.keeps_files:
            return
        for entry in (*self.here, *self.ledger):
            path = self.path / entry.file
            with suppress(FileNotFoundError, NotADirectoryError):
                found = path.stat()
                if (found.st_size, found.st_mtime_ns) == (entry.end, entry.modified_ns):
                    path.unlink()

    def clear(self) -> None:
        """Remove what this or a killed run left behind in the landing folder."""
        if "connection" in self.__dict__:
            self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Files:
    """What a table's function draws its records from."""

    def __init__(self, run: Run, table: Table) -> None:
        self.run = run
        self.table = table

    def files(self) -> Stream:
        """The records that are new in the table's files."""
        yield from self.run.land(self.table)


def extract(
    name: str,
    span: Span | None = None,
    *,
    turn: Turn | None = None,
    busy: Busy = "refuse",
    tell: Tell = lambda _: None,
) -> ExtractResult:
    """Load what is new in one source, exactly once, also after a killed run.

    `span` fetches a range of a live source again, and leaves its cursor as it is. The right to write the warehouse is
    held while its ledger is read and while it is loaded, not while the source is asked: `turn` is a run's own. `tell`
    takes what is waited for. Where the source cannot be asked, what had arrived of it is loaded before the error is
    raised: `ExtractError` (what is wrong and what to do). Raises `LookupError` for an unknown source.
    """
    started = time.monotonic()
    if name not in sources():
        raise LookupError(f"there is no source {name!r}; the sources are {', '.join(sources())}")
    source = sources()[name]
    chosen = way(source)
    if span and not chosen.fetch:
        raise ExtractError(f"{name} comes in from files: there is no range to fetch again")
    turn = turn or Turn(f"the extraction of {name}")
    fetched, failure = None, None
    with alone(name, busy, tell) as is_mine:
        if chosen.fetch and is_mine:
            try:
                fetched = _fetch(source, chosen.fetch, span, turn, tell)
            except ExtractError as error:
                failure = error
        with turn.held(tell):
            result = _load(source, fetched, is_whole=not failure, prune=is_mine)
    if failure:
        rows = sum(result.rows.values())
        raise ExtractError(f"{failure}; {rows:,} rows that had arrived are loaded" if rows else str(failure))
    if chosen.fetch and not is_mine:
        result.notes.append(f"another run fetches {name}: what has arrived so far is loaded")
    result.seconds = time.monotonic() - started
    return result


def _fetch(source: Source, fetch: Fetch, span: Span | None, turn: Turn, tell: Tell) -> Fetched:
    """Let a source bring what is new among its arrivals."""
    with turn.held(tell):
        here = Run(source).here
    started = time.monotonic()
    fetched = fetch(here, span)
    fetched.seconds = time.monotonic() - started
    return fetched


def _load(source: Source, fetched: Fetched | None, *, is_whole: bool, prune: bool) -> ExtractResult:
    """Load what lies there. Where the source could not be asked (not `is_whole`) no table is made of nothing.

    `prune` removes what is loaded: only who may fetch does, as a fetch counts on each file to be loaded or there.
    """
    run = Run(source)
    run.clear()
    note = Note(source.name)
    if note.is_there:
        target().finish(source)
        note.remove()
    load_ids: list[str] = []
    try:
        if run.plan or (is_whole and run.is_needed):
            note.write()
            load_ids = target().load(run)
            note.remove()
        if prune:
            run.prune()
        return _result(run, load_ids, fetched)
    finally:
        run.clear()


def _result(run: Run, load_ids: list[str], fetched: Fetched | None) -> ExtractResult:
    read = [entry for entry in run.ledger if entry.extracted_at == run.now]
    quarantined: dict[str, dict[str, int]] = {}
    for table, outcome in run.outcomes.items():
        reasons: Counter[str] = Counter()
        for counts in outcome.faults.values():
            reasons.update(counts)
        if reasons:
            quarantined[table] = dict(reasons)
    notes = []
    if fetched:
        notes += [*fetched.notes, *fetched.failures.values()]
    elif not run.path.exists():
        notes.append(f"there is no folder {run.path}: nothing to extract")
    for outcome in run.outcomes.values():
        notes += [
            f"{part.found.file} changed while it was read: the next run takes it" for part in outcome.skipped.values()
        ]
    return ExtractResult(
        source=run.source.name,
        location=run.location,
        rows={table: sum(entry.rows for entry in read if entry.table_name == table) for table in run.source.tables},
        quarantined=quarantined,
        files=len(read),
        bytes=sum(entry.bytes for entry in read),
        ignored=[*run.files[1], *(fetched.ignored if fetched else ())],
        notes=notes,
        load_ids=load_ids,
        fetched=fetched,
    )
