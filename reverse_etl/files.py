"""Delta files, wherever they go: format, names and manifest, the same for `file`, `sftp` and `s3`.

A batch is one delta file with whole rows and a column `_operation` (`upsert`, or `remove` and `erase` with the key
alone), and a manifest beside it. The manifest is written last: a data file without one is not finished. The same batch
sent again after a crash overwrites the same file. A CSV has lists and structs as JSON.

A feed is for machines: a value that begins with `=` arrives as it is. With `for_people` a CSV is safe to open in a
spreadsheet: text that one would take for a formula gets an apostrophe before it (OWASP, CSV injection).
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any, Literal, Self

import duckdb
import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from kinship.sql import literal, quoted
from reverse_etl.destination import Batch, Operation, Target
from reverse_etl.limits import Limits, Options

Format = Literal["csv", "jsonl", "parquet"]

LIMITS = Limits(rows=50_000)

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip

_COPY = {"csv": "format csv, header", "jsonl": "format json", "parquet": "format parquet"}
_FORMULA = "^[=+\\-@\t\r\n＝＋－＠]"
_PLACES = ("sync", "date", "batch")


class FeedOptions(Options):
    """`path` is where a batch goes below the destination's folder, without the ending: {sync}, {date} (of the call, in
    UTC) and {batch}, which it must hold."""

    format: Format = "csv"
    path: str = Field(default="{sync}/{batch}")
    for_people: bool = False

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        try:
            named = {name for _, name, _, _ in Formatter().parse(path) if name is not None}
        except ValueError:
            named = {""}
        if not named <= set(_PLACES) or "batch" not in named:
            raise ValueError("must hold {batch}, and may hold {sync} and {date}, in braces")
        if path.startswith("/") or not re.fullmatch(r"[\w{}./ =-]+", path) or ".." in path or path.endswith("/"):
            raise ValueError("must be a relative path of letters, digits and . _ - = /")
        return path

    @model_validator(mode="after")
    def _people_read_csv(self) -> Self:
        if self.for_people and self.format != "csv":
            raise ValueError("for_people is about spreadsheets: it needs the format csv")
        return self


@dataclass(frozen=True)
class Delta:
    """One batch as files: `data` is written, `manifest` is what to write when that is safe."""

    data: Path
    rows: int
    size: int
    """In bytes."""
    sha256: str
    manifest: bytes


class Feed:
    """The files of one sync."""

    def __init__(self, target: Target, options: FeedOptions) -> None:
        self._target = target
        self._options = options

    def names(self, batch: Batch) -> tuple[PurePosixPath, PurePosixPath]:
        """The relative paths of the data and of the manifest."""
        stem = self._options.path.format(
            sync=self._target.sync, date=datetime.now(UTC).strftime("%Y-%m-%d"), batch=batch.id
        )
        return PurePosixPath(f"{stem}.{self._options.format}"), PurePosixPath(f"{stem}.manifest.json")

    def write(self, batch: Batch, path: Path) -> Delta:
        """Write the batch to a file of this machine."""
        table = self._table(batch)
        self._dump(table, path)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        manifest = {
            "file": self.names(batch)[0].name,
            "sync": self._target.sync,
            "object": self._target.object,
            "key": self._target.key,
            "operation": _operation(batch),
            "rows": table.num_rows,
            "columns": table.column_names,
            "sha256": digest.hexdigest(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        told = (json.dumps(manifest, indent=2) + "\n").encode()
        return Delta(path, table.num_rows, path.stat().st_size, digest.hexdigest(), told)

    def _table(self, batch: Batch) -> pa.Table:
        table = batch.table
        if table is None:
            table = pa.table({self._target.key: [row.key for row in batch.rows]})
        return table.add_column(0, "_operation", pa.array([_operation(batch)] * table.num_rows, pa.string()))

    def _dump(self, table: pa.Table, path: Path) -> None:
        with duckdb.connect(":memory:") as connection:
            connection.register("batch", table)
            columns = ", ".join(f"{self._cell(field)} as {quoted(field.name)}" for field in table.schema)
            target = f"{literal(str(path))} ({_COPY[self._options.format]})"
            connection.execute(f"copy (select {columns} from batch) to {target}")  # noqa: S608 - quoted

    def _cell(self, field: Any) -> str:
        column = quoted(field.name)
        if self._options.format == "csv" and pa.types.is_nested(field.type):
            return f"to_json({column})"
        is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        if self._options.for_people and is_text:
            return f"case when regexp_matches({column}, {literal(_FORMULA)}) then '''' || {column} else {column} end"
        return column


def render(column: str, kind: str) -> str:
    """The SQL of a column in a feed."""
    # NaN and infinity are no JSON, and no consumer of a CSV agrees on their spelling
    return f"case when isfinite({column}) then {column} end" if kind in ("FLOAT", "DOUBLE") else column


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula."""
    return re.match(_FORMULA, text) is not None


def _operation(batch: Batch) -> str:
    if batch.table is not None:
        return "upsert"
    return "erase" if batch.operation is Operation.ERASE else "remove"
