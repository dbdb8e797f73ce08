"""What has been read of which file (`raw_<source>.extracted_files`), and what is to be read next.

A row is a part of a file version: a text file that grows by lines gets one more part per run, so that each record
keeps the time it was extracted at. A file whose beginning changed is a new version, and its older parts are current
no more. The rows are written in the same load as the records: there is no second place that could disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from orchestration.extract.files import Found, digests, first_byte


@dataclass(frozen=True)
class Entry:
    """One row of `extracted_files`; the fields are its columns.

    `sha256` is that of the file from its beginning to the end of this part (None: it could not be read).
    `line_breaks` are those within the part, and None where lines cannot be counted from outside (gzip, Parquet).
    `is_open`: the last line had no end yet and was not a whole record; the next part begins with it again.
    """

    file_id: str
    location: str
    file: str
    table_name: str
    version: int
    part: int
    first_byte: int
    bytes: int
    first_line: int
    line_breaks: int | None
    rows: int
    quarantined: int
    sha256: str | None
    modified_ns: int
    extracted_at: datetime
    is_open: bool
    is_current: bool

    @property
    def end(self) -> int:
        return self.first_byte + self.bytes

    @classmethod
    def columns(cls) -> list[str]:
        return [column.name for column in fields(cls)]

    def row(self) -> dict[str, Any]:
        return {column: getattr(self, column) for column in self.columns()}


@dataclass(frozen=True)
class Part:
    """A stretch of a file that is to be read: all of it, or the tail of a text file that grew."""

    found: Found
    file_id: str
    version: int
    part: int
    first_byte: int
    first_line: int
    sha256: str
    line_breaks: int | None

    @property
    def end(self) -> int:
        return self.found.size


@dataclass(frozen=True)
class Plan:
    """What a run has to do: parts to read, and entries whose row changes (replaced, or current again)."""

    parts: tuple[Part, ...]
    changed: tuple[Entry, ...]

    def __bool__(self) -> bool:
        return bool(self.parts or self.changed)


def plan(location: str, found: Sequence[Found], entries: Iterable[Entry], file_ids: Iterator[str]) -> Plan:
    """Compare the files that lie there with what has been read. Files whose size and time of change are the same
    are not opened."""
    changed: dict[str, Entry] = {}
    history: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.location != location:
            _set_current(changed, entry, False)
        else:
            history.setdefault((entry.table_name, entry.file), []).append(entry)
    live: dict[tuple[str, str], list[Entry]] = {}
    for key, past in history.items():
        live[key] = _live(past)
        for entry in past:
            _set_current(changed, entry, entry in live[key])

    parts: list[Part] = []
    for file in found:
        past = live.get((file.table, file.file), [])
        try:
            part = _next_part(file, past, changed, file_ids)
        except FileNotFoundError:  # it went away since the folder was listed
            continue
        if part:
            parts.append(part)
    return Plan(tuple(parts), tuple(changed.values()))


def _set_current(changed: dict[str, Entry], entry: Entry, is_current: bool) -> None:
    if entry.is_current != is_current:
        changed[entry.file_id] = replace(entry, is_current=is_current)


def _live(past: list[Entry]) -> list[Entry]:
    """The parts of the newest version, in order, without those that a later part read again."""
    newest = max(entry.version for entry in past)
    parts = sorted((entry for entry in past if entry.version == newest), key=lambda entry: entry.part)
    return [
        entry
        for position, entry in enumerate(parts)
        if not (entry.is_open and any(later.first_byte <= entry.first_byte for later in parts[position + 1 :]))
    ]


def _next_part(file: Found, past: list[Entry], changed: dict[str, Entry], file_ids: Iterator[str]) -> Part | None:
    if not past:
        return _whole(file, 1, file_ids)
    last = past[-1]
    if file.size == last.end and file.modified_ns == last.modified_ns:
        return None
    if last.sha256 is not None and file.size >= last.end:
        head, whole = digests(file.path, last.end, file.size)
        if head.sha256 == last.sha256:
            if file.size == last.end:
                changed[last.file_id] = replace(changed.get(last.file_id, last), modified_ns=file.modified_ns)
                return None
            if file.appendable and (last.is_open or _ends_a_line(file, last.end)):
                if last.is_open:
                    changed[last.file_id] = replace(last, is_current=False)
                start = last.first_byte if last.is_open else last.end
                breaks_before = head.line_breaks - (last.line_breaks or 0) if last.is_open else head.line_breaks
                return Part(
                    file,
                    next(file_ids),
                    last.version,
                    last.part + 1,
                    first_byte=start,
                    first_line=breaks_before + 1,
                    sha256=whole.sha256,
                    line_breaks=whole.line_breaks - breaks_before,
                )
    for entry in past:
        changed[entry.file_id] = replace(changed.get(entry.file_id, entry), is_current=False)
    return _whole(file, last.version + 1, file_ids)


def _ends_a_line(file: Found, end: int) -> bool:
    """Whether what was read ended where a line ends. If not, its last record may have been cut: read it all again."""
    return end == 0 or first_byte(file.path, end - 1) == b"\n" or first_byte(file.path, end) in (b"\n", b"\r")


def _whole(file: Found, version: int, file_ids: Iterator[str]) -> Part:
    [digest] = digests(file.path, file.size)
    return Part(
        file,
        next(file_ids),
        version,
        part=1,
        first_byte=0,
        first_line=1,
        sha256=digest.sha256,
        line_breaks=digest.line_breaks if file.appendable else None,
    )


def by_table(parts: Iterable[Part]) -> Mapping[str, list[Part]]:
    """The parts of each table that has any."""
    ordered = sorted(parts, key=lambda part: part.found.table)
    return {table: list(group) for table, group in groupby(ordered, key=lambda part: part.found.table)}
