"""The access log: who looked at whom in the dashboards. Rows are appended and brought to the disk, never changed.

`<state>/access/<year>-<month>.jsonl`, one JSON object per line. A customer is there by id alone.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape

from kinship.errors import KinshipError
from kinship.settings import Settings
from kinship.tables import console_for, plain_table


class AccessLogUnwritable(KinshipError):
    """A look cannot be put down, so personal data is not shown."""


@dataclass(frozen=True)
class Look:
    """One look at one person."""

    at: datetime
    """UTC."""
    viewer: str
    customer_id: str
    is_masked: bool
    page: str
    run: str
    """The publication that was shown."""


def folder(settings: Settings) -> Path:
    """The folder of the log's files."""
    return settings.state / "access"


def append(settings: Settings, looks: Sequence[Look]) -> None:
    """Put down looks. On return they are on the disk. Raises `AccessLogUnwritable`."""
    lines = "".join(f"{json.dumps(asdict(look), default=datetime.isoformat)}\n" for look in looks)
    try:
        with _opened(settings) as descriptor:
            _write(descriptor, lines.encode())
    except OSError as error:
        raise AccessLogUnwritable(
            f"the access log in {folder(settings)} cannot be written ({error.strerror}):"
            " nobody's personal data is shown"
        ) from error


def is_writable(settings: Settings) -> bool:
    """Whether a look could be put down now."""
    try:
        with _opened(settings):
            return True
    except OSError:
        return False


def looks(settings: Settings) -> Iterator[Look]:
    """All looks, oldest first. A line that a crash cut off is left out."""
    for path in sorted(folder(settings).glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                yield Look(**{**row, "at": datetime.fromisoformat(row["at"])})
            except (ValueError, TypeError, KeyError):
                continue


def print_looks(settings: Settings, customer_id: str | None, limit: int, *, as_json: bool) -> None:
    """Print the newest looks, at one customer or at all, as a table or as JSON."""
    asked = [look for look in looks(settings) if customer_id in (None, look.customer_id)]
    newest = asked[: -limit - 1 : -1]
    if as_json:
        print(json.dumps([asdict(look) for look in newest], default=datetime.isoformat))
        return
    console = console_for()
    table = plain_table("", ["when", "who", "customer", "saw", "page"])
    for look in newest:
        seen = "masked" if look.is_masked else "personal data"
        table.add_row(f"{look.at:%Y-%m-%d %H:%M:%S}", escape(look.viewer), look.customer_id, seen, look.page)
    console.print(table if newest else "nobody has looked")
    if len(asked) > limit:
        console.print(f"and {len(asked) - limit:,} before: --limit shows more", highlight=False)


class _opened:
    """The current file, locked: sessions of several servers write one after the other."""

    def __init__(self, settings: Settings) -> None:
        self._folder = folder(settings)

    def __enter__(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{datetime.now(UTC):%Y-%m}.jsonl"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _write(descriptor: int, rows: bytes) -> None:
    """Append whole lines: what a crash cut off is ended first, and what does not fit any more is taken back."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        rows = b"\n" + rows
    try:
        written = 0
        while written < len(rows):
            written += os.write(descriptor, rows[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
