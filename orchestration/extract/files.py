"""Which files a source hands over, which table each belongs to, and what each looks like now."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

Format = Literal["json", "csv", "parquet"]

ENDINGS: dict[str, tuple[Format, bool]] = {
    ".jsonl": ("json", False),
    ".ndjson": ("json", False),
    ".csv": ("csv", False),
    ".parquet": ("parquet", False),
    ".jsonl.gz": ("json", True),
    ".ndjson.gz": ("json", True),
    ".csv.gz": ("csv", True),
}


@dataclass(frozen=True)
class Found:
    """A file as it lies there now; `size` in bytes."""

    file: str
    path: Path
    table: str
    format: Format
    gzip: bool
    size: int
    modified_ns: int

    @property
    def appendable(self) -> bool:
        """Whether the file can grow by lines, so that only its tail need be read."""
        return self.format != "parquet" and not self.gzip


@dataclass(frozen=True)
class Ignored:
    """A file that no table takes, and why."""

    file: str
    reason: str


def find(location: Path, tables: Sequence[str]) -> tuple[list[Found], list[Ignored]]:
    """The files below `location` (a folder, or one file) by table, sorted by path, and those left aside."""
    found: list[Found] = []
    ignored: list[Ignored] = []
    single = location.is_file()
    for path, stat in [(location, location.stat())] if single else _walk(location):
        file = path.name if single else path.relative_to(location).as_posix()
        ending = next((ending for ending in sorted(ENDINGS, key=len) if file.lower().endswith(ending)), None)
        if ending is None:
            ignored.append(Ignored(file, f"its ending is none of {', '.join(ENDINGS)}"))
            continue
        table = table_of(file, tables)
        if table is None:
            ignored.append(Ignored(file, f"it belongs to none of the tables {', '.join(tables)}"))
            continue
        if not os.access(path, os.R_OK):
            ignored.append(Ignored(file, "this user may not read it"))
            continue
        format, gzip = ENDINGS[ending]
        found.append(Found(file, path, table, format, gzip, stat.st_size, stat.st_mtime_ns))
    return found, ignored


def table_of(file: str, tables: Sequence[str]) -> str | None:
    """The table of a path relative to its source: the folder named so, else the longest name it begins with."""
    if len(tables) == 1:
        return tables[0]
    *folders, name = PurePosixPath(file).parts
    for folder in folders:
        if folder in tables:
            return folder
    return max((table for table in tables if name.startswith(table)), key=len, default=None)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path), entry.stat()


@dataclass(frozen=True)
class Digest:
    """What the first bytes of a file are: their hash, and how many line breaks they hold."""

    sha256: str
    line_breaks: int


def digests(path: Path, *marks: int) -> list[Digest]:
    """The digest of the first `mark` bytes for each of the ascending `marks`, in one pass over the file."""
    result: list[Digest] = []
    hasher = hashlib.sha256()
    position = line_breaks = 0
    with path.open("rb") as stream:
        for mark in marks:
            while position < mark:
                chunk = stream.read(min(1 << 20, mark - position))
                if not chunk:
                    break
                position += len(chunk)
                hasher.update(chunk)
                line_breaks += chunk.count(b"\n")
            result.append(Digest(hasher.hexdigest(), line_breaks))
    return result


def first_byte(path: Path, position: int) -> bytes:
    """The byte at a position; empty at the end of the file."""
    with path.open("rb") as stream:
        stream.seek(position)
        return stream.read(1)
