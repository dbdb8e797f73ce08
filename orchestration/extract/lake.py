"""The way into the lake: raw tables as Delta tables `<lake>/raw_<source>/<table>`, written without Spark or a server.

A load appends to the tables of a source, and last puts the parts it has read into `extracted_files`, in one commit.
That commit makes the load: models see only rows whose part is in it. A killed load leaves rows whose load has no part
there; the next one takes them out (`sweep`) and reads their files again.

This is delta-rs, not dlt: dlt notes completed loads in files beside the tables, a second place that could disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from kinship.lake import storage_options, unreadable
from kinship.settings import settings
from kinship.sql import literal
from orchestration.extract.ledger import Entry
from orchestration.extract.tables import LEDGER, ColumnType, Landed, Source
from orchestration.extract.target import ExtractError

if TYPE_CHECKING:
    from orchestration.extract.run import Run

_TYPES: Mapping[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_LEDGER = pa.schema([*((name, _TYPES[type_]) for name, type_ in LEDGER.items()), ("_dlt_load_id", pa.string())])

# 1,000,000 Segment events take 70 MB, 2.8 CPU seconds and 0.5 GB of memory; by default (snappy, groups of 1,000,000
# rows, from batches of 65,536) 126 MB, 2.8 seconds and 1.1 GB
_WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=122_880)
_BATCH = 8192


def known(source: Source) -> tuple[dict[str, set[str]], list[Entry]]:
    """The raw tables of a source that exist, with their columns; and its ledger: the parts of completed loads."""
    tables = dict(_tables(source))
    columns = {name: {field.name for field in table.schema().fields} for name, table in tables.items()}
    return columns, _entries(tables.get("extracted_files"))


def finish(source: Source) -> None:
    """Take out what a killed run had loaded; its files are read again."""
    sweep(source)


def load(run: Run) -> list[str]:
    """Load what the run lands; returns the id of the load."""
    sweep(run.source)
    for table in run.source.tables.values():
        if not run.is_complete(table.name, table.columns):
            # files bring the columns they have; models read all that are declared
            declared = pa.schema({name: pa.string() for name in table.columns})
            _write(run.source, table.name, declared.empty_table().to_reader())
        for landed in run.records(table):
            _append(run.source, table.name, landed)
    for landed in run.quarantine():
        _append(run.source, "quarantine", landed)
    load_id = f"{run.now.timestamp():.6f}"
    _enter(run, load_id)
    return [load_id]


def sweep(source: Source) -> int:
    """Take out rows of loads that never completed. Returns how many rows there were."""
    tables = dict(_tables(source))
    completed = {_load(entry.file_id) for entry in _entries(tables.pop("extracted_files", None))}
    swept = 0
    for name, table in tables.items():
        key = _key(name)
        for load_ in _loads(table, key) - completed:
            # a range, not a prefix: by it delta-rs leaves the files of other loads alone
            first, beyond = literal(load_ + "-"), literal(load_ + ".")
            swept += table.delete(f"{key} >= {first} and {key} < {beyond}")["num_deleted_rows"]
    return swept


def _load(file_id: str) -> str:
    """The load a part belongs to: the first half of its id."""
    return file_id.partition("-")[0]


def _loads(table: DeltaTable, key: str) -> set[str]:
    """The loads that rows of a table are from: by the log, which has the least and greatest id of each data file."""
    files = pa.table(table.get_add_actions(flatten=True))
    if not files.num_rows:
        return set()
    bounds = [f"min.{key}", f"max.{key}"]
    paths, pairs = files.column("path").to_pylist(), [(None, None)] * files.num_rows
    if set(bounds) <= set(files.column_names):
        pairs = [tuple(pair.values()) for pair in files.select(bounds).to_pylist()]
    found, mixed = set(), set()
    for path, pair in zip(paths, pairs, strict=True):
        least, greatest = (id_ and _load(id_) for id_ in pair)
        if least is not None and least == greatest:
            found.add(least)
        else:  # compacted: it has rows of several loads
            mixed.add(path)
    for fragment in table.to_pyarrow_dataset().get_fragments() if mixed else ():
        if unquote(fragment.path) in mixed:
            for batch in fragment.to_batches(columns=[key]):
                found |= {_load(id_) for id_ in pc.unique(batch.column(key)).to_pylist()}
    return found


def _tables(source: Source) -> Iterator[tuple[str, DeltaTable]]:
    """The raw tables of a source that exist. Raises `ExtractError` if the lake cannot be reached."""
    for name in (*source.tables, "quarantine", "extracted_files"):
        try:
            yield name, DeltaTable(_uri(source, name), storage_options=storage_options())
        except TableNotFoundError:
            continue
        except (OSError, DeltaError) as error:  # its text may hold what the store answered, a key's id among it
            raise ExtractError(unreadable(error)) from error


def _entries(ledger: DeltaTable | None) -> list[Entry]:
    if ledger is None:
        return []
    rows = ledger.to_pyarrow_table(columns=Entry.columns()).sort_by("file_id")
    return [Entry(**row) for row in rows.to_pylist()]


def _append(source: Source, table: str, landed: Landed) -> None:
    """One landing file, one commit. Columns that the table lacks are added to it."""
    with pq.ParquetFile(landed.path) as file:
        rows = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(_BATCH))
        _write(source, table, rows)


def _write(source: Source, table: str, rows: pa.RecordBatchReader) -> None:
    write_deltalake(
        _uri(source, table),
        rows,
        mode="append",
        schema_mode="merge",
        # bounds of the one column that is looked up, wherever it stands: Delta takes them of the first 32 by default
        configuration={"delta.dataSkippingStatsColumns": _key(table)},
        writer_properties=_WRITER,
        storage_options=storage_options(),
    )


def _enter(run: Run, load_id: str) -> None:
    """Put the run's parts into the ledger, and change the rows of older parts, in one commit."""
    rows = pa.Table.from_pylist([{**entry.row(), "_dlt_load_id": load_id} for entry in run.ledger], _LEDGER)
    if not run.is_complete("extracted_files", tuple(LEDGER)):
        _write(run.source, "extracted_files", _LEDGER.empty_table().to_reader())
    if run.ledger:
        ledger = DeltaTable(_uri(run.source, "extracted_files"), storage_options=storage_options())
        merge = ledger.merge(rows, "old.file_id = new.file_id", source_alias="new", target_alias="old")
        merge.when_matched_update_all().when_not_matched_insert_all().execute()


def _key(table: str) -> str:
    return "file_id" if table in ("quarantine", "extracted_files") else "_file_id"


def _uri(source: Source, table: str) -> str:
    return f"{settings().lake.rstrip('/')}/raw_{source.name}/{table}"
