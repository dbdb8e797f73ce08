"""From lives, told person by person, to files, told day by day, in bounded memory.

Lines are kept in memory by (table, day) until `LIMIT` bytes, then appended to one scratch file each. At the end every
(table, day) is read, sorted and handed on; what lies in memory is one day of one table.
"""

import tempfile
from collections import defaultdict
from pathlib import Path
from types import TracebackType

from demo.clock import DAY

LIMIT = 96 * 1024 * 1024


class Spool:
    """Takes lines in any order for the days `first` to `last` (inclusive) and forgets those of other days.

    What is older than the company's first day `start` belongs into that day's files: a first export has it all.
    """

    def __init__(self, beside: Path, start: int, first: int, last: int) -> None:
        self.start, self.first, self.last = start, first, last
        self._scratch = tempfile.TemporaryDirectory(prefix=".demo-", dir=beside)
        self._folder = Path(self._scratch.name)
        self._lines: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self._bytes = 0
        self._keys: set[tuple[str, int]] = set()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.cleanup()

    def add(self, table: str, arrival: int, line: str) -> None:
        """Put one record (without line end) into the file of the day on which it arrives."""
        day = max(arrival // DAY, self.start)
        if not self.first <= day <= self.last:
            return
        # the arrival comes first, so that sorting the lines puts a day in order whoever was simulated first
        self._lines[table, day].append(f"{arrival:010d}{line}\n")
        self._bytes += len(line) + 64
        if self._bytes > LIMIT:
            self._flush()

    def _flush(self) -> None:
        for (table, day), lines in self._lines.items():
            with self._path(table, day).open("a", encoding="utf-8") as scratch:
                scratch.writelines(lines)
            self._keys.add((table, day))
        self._lines.clear()
        self._bytes = 0

    def _path(self, table: str, day: int) -> Path:
        return self._folder / f"{table.replace('/', '.')}.{day}"

    def tables(self) -> dict[str, list[int]]:
        """The days that have lines, by table."""
        days: defaultdict[str, list[int]] = defaultdict(list)
        for table, day in sorted(self._keys | set(self._lines)):
            days[table].append(day)
        return dict(days)

    def lines(self, table: str, day: int) -> list[str]:
        """The lines of one day in order of arrival, each with its line end."""
        lines = self._lines.pop((table, day), [])
        path = self._path(table, day)
        if path.exists():
            with path.open(encoding="utf-8", newline="\n") as scratch:
                lines.extend(scratch)
            path.unlink()
        lines.sort()
        # in place: the first day of a large company, with all that was before, is the largest thing ever in memory
        for place, line in enumerate(lines):
            lines[place] = line[10:]
        return lines
