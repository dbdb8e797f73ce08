"""Writes the files of a publication: the output tables as they are, and masked."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from kinship.errors import KinshipError, StoppedByGuard
from kinship.published.masking import masked
from kinship.published.outputs import Output
from kinship.sql import literal, quoted
from reverse_etl.warehouse import one_row

STORAGE = "v1.4.0"
"""Clients from DuckDB 1.4 on can open the files; later writes keep it so."""

SORTED_BY = ("customer_id", "left_record_id")
"""Tables are sorted by the first of these that they have: everything about one person then lies in a few blocks."""

FULL, MASKED = "full_copy", "masked_copy"
"""What the two files are called in the connection that writes them."""


def add_file(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str, mode: int) -> None:
    """Attach a file to write to, under the name of a catalog; a new one in the storage format of `STORAGE`."""
    how = "" if path.exists() else f" (storage_version '{STORAGE}')"
    connection.execute(f"attach {literal(str(path))} as {catalog}{how}")
    path.chmod(mode)


def copy_tables(connection: duckdb.DuckDBPyConnection, source: str, outputs: Sequence[Output]) -> None:
    """Copy tables and views from the catalog `source` into the full file, as tables.

    Times with a zone become UTC without one, as everywhere. Raises `KinshipError` for a table that is not there,
    `StoppedByGuard` for columns that the project does not describe.
    """
    known = types_in(connection, source)
    missing = [output.key for output in outputs if output.key not in known]
    if missing:
        raise KinshipError(f"not in the warehouse: {', '.join(missing)}; `kinship run --rebuild` builds them")
    undescribed = [
        f"{output.key}.{column}" for output in outputs for column in known[output.key] if column not in output.columns
    ]
    if undescribed:
        raise StoppedByGuard(
            f"without a description nobody knows whether they hold personal data: {', '.join(undescribed)}; describe"
            " them in the folder's YAML, with `config: {meta: {pii: <class>}}` where they do (docs/dashboards.md)"
        )
    for output in outputs:
        columns = [
            f"{quoted(column)} at time zone 'UTC' as {quoted(column)}" if kind.endswith("TIME ZONE") else quoted(column)
            for column, kind in known[output.key].items()
        ]
        order = next((f"order by {column}" for column in SORTED_BY if column in known[output.key]), "")
        _write(connection, FULL, output, columns, source, order)


def mask_tables(connection: duckdb.DuckDBPyConnection, outputs: Iterable[Output]) -> None:
    """Write the masked file from the full one: every table, every column, the same types (masking.py)."""
    known = types_in(connection, FULL)
    for output in outputs:
        columns = [
            f"{masked(column, kind, output.columns[column])} as {quoted(column)}"
            for column, kind in known[output.key].items()
        ]
        _write(connection, MASKED, output, columns, FULL)


def write_parquet(
    connection: duckdb.DuckDBPyConnection, catalog: str, outputs: Iterable[Output], folder: Path, mode: int
) -> None:
    """Write the tables of a file as `<schema>/<table>.parquet`."""
    for output in outputs:
        path = folder / output.schema / f"{output.name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        connection.execute(
            f"copy {quoted(catalog)}.{_name(output)} to {literal(str(path))} (format parquet, compression zstd)"
        )
        path.chmod(mode)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file; where the file system can, the two share their blocks until one is changed."""
    with source.open("rb") as old, target.open("xb") as new:
        target.chmod(source.stat().st_mode)
        while os.copy_file_range(old.fileno(), new.fileno(), 2**30):
            pass


def count_rows(connection: duckdb.DuckDBPyConnection, catalog: str, output: Output) -> int:
    """Rows of a table."""
    return int(one_row(connection, f"select count(*) from {quoted(catalog)}.{_name(output)}")[0])  # noqa: S608


def types_in(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, dict[str, str]]:
    """By `<schema>.<table>` of a file, views among them: the columns in order with their types in DuckDB's words."""
    found: dict[str, dict[str, str]] = {}
    for key, column, kind in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? order by schema_name, table_name, column_index",
        [catalog],
    ).fetchall():
        found.setdefault(key, {})[column] = kind
    return found


def _write(
    connection: duckdb.DuckDBPyConnection,
    into: str,
    output: Output,
    columns: Sequence[str],
    source: str,
    order: str = "",
) -> None:
    name = _name(output)
    connection.execute(f"create schema if not exists {into}.{quoted(output.schema)}")
    select = f"select {', '.join(columns)} from {quoted(source)}.{name} {order}"  # noqa: S608 - quoted names
    connection.execute(f"create or replace table {into}.{name} as {select}")


def _name(output: Output) -> str:
    return f"{quoted(output.schema)}.{quoted(output.name)}"
