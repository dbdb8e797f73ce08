"""Files in a directory: the destination that needs no network. A feed for machines.

A batch is one delta file with whole rows and a column `_operation` (`upsert` or `remove`; a removal holds the key
alone), and a manifest beside it. The manifest is written last: a data file without one is not finished. The same batch
sent again after a crash overwrites the same file. A CSV has lists and structs as JSON. Nothing is escaped for
spreadsheets: a value that begins with `=` arrives as it is.
"""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal

import duckdb
import pyarrow as pa

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Operation, Outcome, Target
from reverse_etl.errors import ConfigurationError
from reverse_etl.limits import Limits, Options
from reverse_etl.warehouse import literal, quoted

_COPY = {"csv": "format csv, header", "jsonl": "format json", "parquet": "format parquet"}


class FileOptions(Options):
    """`directory` may be relative to the folder of the warehouse; default `KINSHIP_FILE_DIR`, or `outbox` there."""

    format: Literal["csv", "jsonl", "parquet"] = "csv"
    directory: str | None = None


class FileDestination(Destination):
    """Writes `<directory>/<sync>/<batch id>.<format>` and `<batch id>.manifest.json`."""

    options_model = FileOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        options: FileOptions = target.options
        self._format = options.format
        directory = options.directory or os.environ.get("KINSHIP_FILE_DIR") or "outbox"
        self._root = (target.state / Path(directory).expanduser()).resolve()
        self._folder = self._root / target.sync if target.sync else self._root

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return Limits(rows=50_000)

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        # NaN and infinity are no JSON, and no consumer of a CSV agrees on their spelling
        return f"case when isfinite({column}) then {column} end" if kind in ("FLOAT", "DOUBLE") else column

    async def check(self) -> CheckResult:
        existing = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            return CheckResult("file", "failed", f"cannot write to {existing}")
        return CheckResult("file", "ok", f"writes to {self._folder}")

    async def prepare(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot make the directory {self._folder}: {error.strerror}") from None
        if not os.access(self._folder, os.W_OK):
            raise ConfigurationError(f"the directory {self._folder} is not writable")

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    async def _write(self, batch: Batch) -> AsyncIterator[Outcome]:
        table = self._table(batch)
        name = f"{batch.id}.{self._format}"
        await self.target.meter.call()
        digest = self._replace(name, lambda path: self._dump(table, path))
        manifest = {
            "file": name,
            "sync": self.target.sync,
            "object": self.target.object,
            "key": self.target.key,
            "operation": "remove" if batch.operation is Operation.REMOVE else "upsert",
            "rows": table.num_rows,
            "columns": table.column_names,
            "sha256": digest,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._replace(f"{batch.id}.manifest.json", lambda path: path.write_text(json.dumps(manifest, indent=2) + "\n"))
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    def _table(self, batch: Batch) -> pa.Table:
        if batch.table is not None:
            table = batch.table
            operation = "upsert"
        else:
            table = pa.table({self.target.key: [row.key for row in batch.rows]})
            operation = "remove"
        return table.add_column(0, "_operation", pa.array([operation] * table.num_rows, pa.string()))

    def _dump(self, table: pa.Table, path: Path) -> None:
        with duckdb.connect(":memory:") as connection:
            connection.register("batch", table)
            columns = ", ".join(
                f"to_json({quoted(field.name)}) as {quoted(field.name)}"
                if self._format == "csv" and pa.types.is_nested(field.type)
                else quoted(field.name)
                for field in table.schema
            )
            target = f"{literal(str(path))} ({_COPY[self._format]})"
            connection.execute(f"copy (select {columns} from batch) to {target}")  # noqa: S608 - quoted

    def _replace(self, name: str, write: Callable[[Path], object]) -> str:
        """Write beside, flush to disk, rename; the sha256 of what was written."""
        path = self._folder / name
        draft = self._folder / f".{name}.part"
        write(draft)
        digest = hashlib.sha256()
        with draft.open("rb+") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return digest.hexdigest()
