"""Writes the files of a publication: the output tables as they are, and masked."""

import secrets
from collections.abc import Sequence
from pathlib import Path

import duckdb

from kinship.errors import KinshipError, StoppedByGuard
from kinship.published.masking import KEY, masked
from kinship.published.outputs import Output
from reverse_etl.warehouse import literal, quoted

STORAGE = "v1.4.0"
"""Clients from DuckDB 1.4 on can open the files; later writes keep it so."""

SORTED_BY = ("customer_id", "left_record_id")
"""Tables are sorted by the first of these that they have: everything about one person then lies in a few blocks."""

FULL, MASKED = "published", "masked"
"""What the two files are called in the connection that writes them."""


def add_file(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str) -> None:
    """Attach a file to write to, under the name of a catalog; a new one in the storage format of `STORAGE`."""
    how = "" if path.exists() else f" (storage_version '{STORAGE}')"
    connection.execute(f"attach {literal(str(path))} as {catalog}{how}")


def copy_tables(connection: duckdb.DuckDBPyConnection, source: str, outputs: Sequence[Output]) -> dict[str, int]:
    """Copy tables and views from the catalog `source` into the full file, as tables; returns rows by table.

    Times with a zone become UTC without one, as everywhere in the output tables. Raises `KinshipError` for a table
    that is not there, `StoppedByGuard` for columns that the project does not describe.
    """
    types = {output.key: _types(connection, source, output) for output in outputs}
    missing = [key for key, found in types.items() if not found]
    if missing:
        raise KinshipError(
            f"{', '.join(missing)}: not in the warehouse; `kinship run --rebuild` builds what is missing"
        )
    undescribed = [
        f"{output.key}.{column}" for output in outputs for column in types[output.key] if column not in output.columns
    ]
    if undescribed:
        raise StoppedByGuard(
            f"{', '.join(undescribed)}: without a description, nobody knows whether it holds personal data; describe it"
            " in its folder's YAML, with `config: {meta: {pii: <class>}}` where it does"
        )
    return {output.key: _copy(connection, source, output, types[output.key]) for output in outputs}


def mask_tables(connection: duckdb.DuckDBPyConnection, outputs: Sequence[Output]) -> None:
    """Write the masked file from the full one: every table, every column, the same types."""
    connection.execute(f"set variable {KEY} = ?", [secrets.token_hex(32)])
    for output in outputs:
        columns = [
            f"{masked(quoted(column), kind, output.columns[column])} as {quoted(column)}"
            for column, kind in _types(connection, FULL, output).items()
        ]
        name = f"{quoted(output.schema)}.{quoted(output.name)}"
        connection.execute(f"create schema if not exists {MASKED}.{quoted(output.schema)}")
        connection.execute(
            f"create or replace table {MASKED}.{name} as select {', '.join(columns)} from {FULL}.{name}"  # noqa: S608
        )


def _copy(connection: duckdb.DuckDBPyConnection, source: str, output: Output, types: dict[str, str]) -> int:
    columns = [
        f"{quoted(column)} at time zone 'UTC' as {quoted(column)}"
        if kind == "TIMESTAMP WITH TIME ZONE"
        else quoted(column)
        for column, kind in types.items()
    ]
    order = next((f" order by {column}" for column in SORTED_BY if column in types), "")
    name = f"{quoted(output.schema)}.{quoted(output.name)}"
    connection.execute(f"create schema if not exists {FULL}.{quoted(output.schema)}")
    (rows,) = connection.execute(
        f"create or replace table {FULL}.{name} as select {', '.join(columns)} from {quoted(source)}.{name}{order}"
    ).fetchall()[0]
    return int(rows)


def _types(connection: duckdb.DuckDBPyConnection, catalog: str, output: Output) -> dict[str, str]:
    return dict(
        connection.execute(
            "select column_name, data_type from duckdb_columns()"
            " where database_name = ? and schema_name = ? and table_name = ? order by column_index",
            [catalog, output.schema, output.name],
        ).fetchall()
    )
