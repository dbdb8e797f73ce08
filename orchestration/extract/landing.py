# ruff: noqa: S608 - SQL is put together here, every name and value through orchestration.extract.sql
"""From the new parts of one table's files to Parquet files ready to be loaded, and what could not be taken and why."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count, islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from kinship.sql import literal, quoted
from orchestration.extract import sql
from orchestration.extract.faults import UNFINISHED, Fault
from orchestration.extract.files import digests
from orchestration.extract.ledger import Entry, Part
from orchestration.extract.readers import PATH, READERS, GiveUp, Group, Input, Reader, Unreadable
from orchestration.extract.tables import Landed, Table

# files in one query: keeps its text small; the records stream through in bounded memory whatever their number
_FILES_AT_ONCE = 1000
# and text in one query: copies without the faulty lines stay until it has run, and in large files hardly one is without
# (10 GB of copies for the 120 files of 13 million Segment events); gzip is taken to make text an eighth
_BYTES_AT_ONCE = 4 << 30
_UNZIPPED = 8
_FAULTS_AT_ONCE = 10_000
_QUARANTINE = pa.schema(
    {
        "file_id": pa.string(),
        "file": pa.string(),
        "line": pa.int64(),
        "table_name": pa.string(),
        "reason": pa.string(),
        "record": pa.string(),
        "quarantined_at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass
class Outcome:
    """What reading some parts came to. `skipped`: parts left for the next run, as the file changed or went away."""

    landed: list[Landed] = field(default_factory=list)
    quarantine: list[Landed] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unreadable: set[str] = field(default_factory=set)
    skipped: dict[str, Part] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        self.landed += other.landed
        self.quarantine += other.quarantine
        self.rows.update(other.rows)
        self.faults.update(other.faults)
        self.unreadable |= other.unreadable
        self.skipped.update(other.skipped)

    def discard(self) -> None:
        for file in (*self.landed, *self.quarantine):
            Path(file.path).unlink(missing_ok=True)


class Landing:
    """Lands the parts of one table in `folder`."""

    def __init__(self, table: Table, folder: Path, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self.table = table
        self.folder = folder
        self.connection = connection
        self.now = now
        self.numbers = count(1)

    def land(self, parts: Sequence[Part]) -> Outcome:
        """Read the parts. Raises OSError or duckdb.Error for faults of this machine (a full disk), never of a file."""
        total = Outcome()
        for format in READERS:
            filled = [part for part in parts if part.found.format == format and part.end > part.first_byte]
            for some in _batches(filled):
                reader = READERS[format](self.table, self.connection)
                total.add(self._stable(reader, some))
        return total

    def entry(self, part: Part, location: str, outcome: Outcome) -> Entry:
        """The ledger's row of a part that was read."""
        faults = outcome.faults.get(part.file_id, Counter())
        return Entry(
            file_id=part.file_id,
            location=location,
            file=part.found.file,
            table_name=self.table.name,
            version=part.version,
            part=part.part,
            first_byte=part.first_byte,
            bytes=part.end - part.first_byte,
            first_line=part.first_line,
            line_breaks=part.line_breaks,
            rows=outcome.rows[part.file_id],
            quarantined=faults.total(),
            sha256=None if part.file_id in outcome.unreadable else part.sha256,
            modified_ns=part.found.modified_ns,
            extracted_at=self.now,
            is_open=UNFINISHED in faults,
            is_current=True,
        )

    def _stable(self, reader: Reader, parts: Sequence[Part]) -> Outcome:
        """Read the parts as they were when they were hashed: a file that is written meanwhile is read from a copy."""
        copies: dict[str, Path] = {}
        skipped: dict[str, Part] = {}
        while True:
            inputs = []
            for part in parts:
                if part.file_id in skipped:
                    continue
                if part.first_byte > 0 and part.file_id not in copies:
                    copies[part.file_id] = tail = self._copy(part)
                    if not tail.exists() or tail.stat().st_size < part.end - part.first_byte:
                        skipped[part.file_id] = part
                        continue
                inputs.append(Input(part, copies.get(part.file_id, part.found.path)))
            outcome = self._land(reader, inputs)
            moved = [input.part for input in inputs if input.part.file_id not in copies and _changed(input.part)]
            if not moved:
                break
            outcome.discard()
            for part in moved:
                copies[part.file_id] = copy = self._copy(part)
                if not copy.exists() or digests(copy, part.end)[0].sha256 != part.sha256:
                    skipped[part.file_id] = part
        outcome.skipped = skipped
        for copy in copies.values():
            copy.unlink(missing_ok=True)
        return outcome

    def _copy(self, part: Part) -> Path:
        """A copy of the part's bytes; no file if the source's is gone."""
        ending = "".join(part.found.path.suffixes[-2:]) if part.found.gzip else part.found.path.suffix
        target = self._next(f"copy{ending.lower()}")
        left = part.end - part.first_byte
        try:
            with part.found.path.open("rb") as source, target.open("wb") as copy:
                source.seek(part.first_byte)
                while left and (chunk := source.read(min(left, 1 << 20))):
                    copy.write(chunk)
                    left -= len(chunk)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
        return target

    def _next(self, kind: str) -> Path:
        return self.folder / f"{self.table.name}-{next(self.numbers)}-{kind}"

    def _land(self, reader: Reader, inputs: Sequence[Input]) -> Outcome:
        outcome = Outcome()

        def give_up(input: Input, reason: str) -> None:
            outcome.unreadable.add(input.part.file_id)
            self._quarantine(input, iter([Fault(None, reason, None)]), outcome)

        waiting = list(inputs)
        while waiting:
            groups = list(reader.groups(waiting, give_up))
            waiting = []
            for group in groups:
                faulty = group.faulty or self._land_group(group, outcome)
                if not faulty:
                    continue
                for input in group.inputs:
                    if input not in faulty:
                        waiting.append(input)
                    elif input.is_clean:
                        give_up(input, "the file cannot be read")
                    elif cleaned := self._clean(reader, input, group, outcome, give_up):
                        waiting.append(cleaned)
        for path in self.folder.glob(f"{self.table.name}-*-clean*"):
            path.unlink()
        return outcome

    def _land_group(self, group: Group, outcome: Outcome) -> frozenset[Input]:
        """Write the group's records to one Parquet file; or return the inputs that must be cleaned first."""
        target = self._next("records.parquet")
        columns = ", ".join(f"{expression} as {quoted(column)}" for column, expression in group.expressions.items())
        file_ids = ", ".join(f"({literal(str(input.path))}, {literal(input.part.file_id)})" for input in group.inputs)
        fault = sql.fault(self.table.required)
        try:
            self.connection.execute(
                f"copy (select {columns}, files.file_id as _file_id from {group.relation(group.inputs)} "
                f"inner join (values {file_ids}) as files (path, file_id) on r.{PATH} = files.path) "
                f"to {literal(str(target))} (format parquet, compression snappy)"
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            target.unlink(missing_ok=True)
            faulty = frozenset(input for input in group.inputs if not self._readable(group, input))
            if not faulty:
                raise
            return faulty
        checked = self.connection.execute(
            f"select _file_id, count(*), count({fault}) from read_parquet({literal(str(target))}) group by all"
        ).fetchall()
        bad = {file_id for file_id, _, faults in checked if faults}
        if bad:
            target.unlink()
            return frozenset(input for input in group.inputs if input.part.file_id in bad)
        rows = {file_id: rows for file_id, rows, _ in checked}
        if rows:
            outcome.rows.update(rows)
            outcome.landed.append(Landed(str(target), sum(rows.values()), (*group.expressions, "_file_id")))
        else:
            target.unlink()
        return frozenset()

    def _readable(self, group: Group, input: Input) -> bool:
        try:
            self.connection.execute(f"select max(hash(r)) from {group.relation([input])}").fetchall()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            return False
        return True

    def _clean(self, reader: Reader, input: Input, group: Group, outcome: Outcome, give_up: GiveUp) -> Input | None:
        target = self._next(f"clean{reader.ending}")
        try:
            self._quarantine(input, reader.clean(input, group, target), outcome)
        except Unreadable as error:
            give_up(input, str(error))
            return None
        return replace(input, path=target, is_clean=True)

    def _quarantine(self, input: Input, faults: Iterator[Fault], outcome: Outcome) -> None:
        part = input.part
        target = self._next("quarantine.parquet")
        reasons: Counter[str] = Counter()
        with pq.ParquetWriter(target, _QUARANTINE) as writer:
            while some := list(islice(faults, _FAULTS_AT_ONCE)):
                reasons.update(fault.reason for fault in some)
                same = {"file_id": part.file_id, "file": part.found.file, "table_name": self.table.name}
                rows = [
                    {**same, "line": f.line, "reason": f.reason, "record": f.record, "quarantined_at": self.now}
                    for f in some
                ]
                writer.write_table(pa.Table.from_pylist(rows, _QUARANTINE))
        if reasons:
            outcome.faults[part.file_id].update(reasons)
            outcome.quarantine.append(Landed(str(target), reasons.total(), tuple(_QUARANTINE.names)))
        else:
            target.unlink()


def _batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts in their order, so many at once as one query takes."""
    some: list[Part] = []
    size = 0
    for part in parts:
        text = (part.end - part.first_byte) * (_UNZIPPED if part.found.gzip else 1)
        if some and (len(some) == _FILES_AT_ONCE or size + text > _BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(part)
        size += text
    if some:
        yield some


def _changed(part: Part) -> bool:
    try:
        stat = part.found.path.stat()
    except FileNotFoundError:
        return True
    return (stat.st_size, stat.st_mtime_ns) != (part.found.size, part.found.modified_ns)
