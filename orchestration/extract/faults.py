# ruff: noqa: S608 - SQL is put together here, every name and value through orchestration.extract.sql
"""The slow path: find the faulty lines of one text file, and copy the sound ones to a clean file.

Only files in which the fast path met a fault come here. DuckDB judges the JSON, as in the fast path, so that the two
cannot disagree about what is sound.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import pyarrow as pa

from kinship.sql import literal
from orchestration.extract import sql
from orchestration.extract.columns import columns_of, projection
from orchestration.extract.tables import Type

_CHUNK = 16 << 20
_LINES_PER_RECORD = 1000
_BOM = b"\xef\xbb\xbf"
_NOT_JSON = "the line is not JSON"
_UNCLOSED = "a quote is opened and not closed"
UNFINISHED = "the last line is not finished; it is read again when the file grows"


@dataclass(frozen=True)
class Fault:
    """A record that cannot be taken: its line in the file (None: the file as a whole), why, and how it stood."""

    line: int | None
    reason: str
    record: str | None


@dataclass(frozen=True)
class Lines:
    """Where to read the lines of a file part. `limit`: bytes to read at most (a file may grow meanwhile)."""

    path: Path
    gzip: bool
    limit: int | None
    first_line: int

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Each line with its number in the file and its line break."""
        with self._open() as stream:
            left = self.limit
            for number, line in enumerate(stream, self.first_line):
                if left is not None:
                    line = line[:left]
                    left -= len(line)
                if number == 1:
                    line = line.removeprefix(_BOM)
                if line:
                    yield number, line
                if left == 0:
                    break

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path, "rb")) if self.gzip else self.path.open("rb")


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file: the names of its columns, and what separates them."""

    names: tuple[str, ...]
    delimiter: str

    @property
    def columns(self) -> list[str]:
        """Column names as the readers use them: by position, since a header may repeat a name."""
        return [f"c{position}" for position in range(len(self.names))]

    def expressions(self) -> dict[str, str]:
        """The SQL expression of each name; a repeated name takes the first of its columns that has a value."""
        columns: dict[str, list[str]] = {}
        for header_name, column in zip(self.names, self.columns, strict=True):
            columns.setdefault(header_name, []).append(column)
        return {
            header_name: f"coalesce({', '.join(same)})" if len(same) > 1 else same[0]
            for header_name, same in columns.items()
        }


def clean_json(
    lines: Lines,
    target: Path,
    keys: Sequence[str],
    preferred: Sequence[str],
    required: Mapping[str, Type],
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[Fault]:
    """Copy the sound lines to `target` and yield the faults of the others.

    Raises OSError, EOFError or zlib.error where the file itself is broken.
    """
    every = [*keys, *required]
    value = projection(columns_of(every, preferred), {key: sql.member("record", key) for key in every})
    judge = f"""
        select number, case
            when not json_valid(record) then {literal(_NOT_JSON)}
            when json_type(record) <> 'OBJECT' then 'the line is not a JSON object'
            when len(json_keys(record)) <> len(list_distinct(json_keys(record))) then 'a key appears twice'
            else {sql.fault(required, value)}
        end as reason
        from lines
    """
    with target.open("wb") as sound:
        for chunk in _chunks(lines):
            texts = [_decode(line) for _, line in chunk]
            table = pa.table(
                {"number": pa.array(range(len(chunk)), pa.int64()), "record": pa.array(texts, pa.string())}
            )
            connection.register("lines", table)
            reasons = _judge(connection, table, judge)
            for position, ((number, line), text) in enumerate(zip(chunk, texts, strict=True)):
                unfinished = not line.endswith(b"\n") and not lines.gzip
                if text is None and unfinished:
                    yield Fault(number, UNFINISHED, line.decode("utf-8", "backslashreplace"))
                elif text is None:
                    yield Fault(
                        number, "the line is not UTF-8", line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                    )
                elif position not in reasons:
                    sound.write(line if line.endswith(b"\n") else line + b"\n")
                elif reasons[position] == _NOT_JSON and unfinished:
                    yield Fault(number, UNFINISHED, text)
                else:
                    yield Fault(number, reasons[position], text)


def clean_csv(
    lines: Lines,
    target: Path,
    header: Header,
    skip_header: bool,
    preferred: Sequence[str],
    required: Mapping[str, Type],
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[Fault]:
    """Copy the sound records to `target` (comma separated, no header) and yield the faults of the others.

    A record begins on the line its fault names. One bad quote costs its own line, not the lines up to the next quote.
    Raises OSError, EOFError or zlib.error where the file itself is broken.
    """
    value = projection(columns_of(header.names, preferred), header.expressions())
    judge = f"select number, {sql.fault(required, value)} as reason from lines"
    records = _csv_records(lines, header, skip_header)
    with target.open("w", newline="", encoding="utf-8") as stream:
        sound = csv.writer(stream)
        while chunk := list(islice(records, 50_000)):
            whole = [(number, fields) for number, fields, _ in chunk if not isinstance(fields, str)]
            table = pa.table(
                {
                    "number": pa.array(range(len(whole)), pa.int64()),
                    **{
                        column: pa.array([fields[position] or None for _, fields in whole], pa.string())
                        for position, column in enumerate(header.columns)
                    },
                }
            )
            reasons = _judge(connection, table, judge)
            position = 0
            for number, fields, record in chunk:
                if isinstance(fields, str):
                    yield Fault(number, fields, record)
                    continue
                if position in reasons:
                    yield Fault(number, reasons[position], record)
                else:
                    sound.writerow(fields)
                position += 1


def read_header(lines: Lines) -> Header | None:
    """The header of a CSV file; None for an empty one.

    Raises OSError, EOFError or zlib.error where the file is broken, UnicodeDecodeError where it is not UTF-8.
    """
    for _, line in lines:
        text = line.decode().rstrip("\r\n")
        unquoted = re.sub(r'"[^"]*"', "", text)
        delimiter = max(",;\t|", key=unquoted.count)
        return Header(tuple(field.strip() for field in next(csv.reader([text], delimiter=delimiter), [])), delimiter)
    return None


def _csv_records(lines: Lines, header: Header, skip_header: bool) -> Iterator[tuple[int, list[str] | str, str]]:
    """(line, fields or the reason why there are none, text) of each record that is not a blank line."""
    width = len(header.names)
    source = iter(lines)
    waiting: list[tuple[int, bytes]] = []

    def line_at(position: int) -> tuple[int, bytes] | None:
        while len(waiting) <= position:
            following = next(source, None)
            if following is None:
                return None
            waiting.append(following)
        return waiting[position]

    def parse(text: str) -> list[str] | None:
        """The fields of one record; None where a quote is not closed at the end of its field."""
        try:
            [fields] = csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter, strict=True)
        except (csv.Error, ValueError):
            return None
        return fields

    if skip_header and line_at(0):
        waiting.pop(0)
    while (first := line_at(0)) is not None:
        number, line = first
        if line.isspace():
            waiting.pop(0)
            continue
        unfinished = not line.endswith(b"\n") and not lines.gzip
        text = _decode(line)
        if text is None:
            waiting.pop(0)
            text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
            yield number, UNFINISHED if unfinished else "the line is not UTF-8", text
            continue
        fields, record, taken = parse(text), text, 1
        if fields is None:
            whole = line
            while whole.count(b'"') % 2 and taken < _LINES_PER_RECORD and (further := line_at(taken)):
                whole += further[1]
                taken += 1
            spanning = _decode(whole)
            fields = parse(spanning) if spanning is not None else None
            if spanning is not None and fields is not None and len(fields) == width:
                record = spanning
            else:
                fields, taken = None, 1
        del waiting[:taken]
        if fields is None:
            yield number, UNFINISHED if unfinished else _UNCLOSED, text
        elif len(fields) != width:
            reason = f"{len(fields)} fields where the header has {width}"
            yield number, UNFINISHED if unfinished and len(fields) < width else reason, text
        else:
            yield number, fields, record


def _judge(connection: duckdb.DuckDBPyConnection, table: pa.Table, judge: str) -> dict[int, str]:
    connection.register("lines", table)
    try:
        return dict(connection.execute(f"select * from ({judge}) where reason is not null").fetchall())
    finally:
        connection.unregister("lines")


def _decode(line: bytes) -> str | None:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def _chunks(lines: Lines) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    size = 0
    for number, line in lines:
        if line.isspace():
            continue
        chunk.append((number, line))
        size += len(line)
        if size > _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
