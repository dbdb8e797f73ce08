"""Raw tables as extraction leaves them (docs/sources.md), written straight from records, for tests of the models."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.extract import Source, sources

Record = Mapping[str, Any]
# the files of a table, oldest first, each a list of records with the raw columns as keys
Files = Sequence[Sequence[Record]]


def write_raw_tables(warehouse: Path, records: Mapping[str, Mapping[str, Files]]) -> None:
    """Write every raw table of every source; what `records` does not name is empty."""
    with duckdb.connect(str(warehouse)) as connection:
        for name, source in sources().items():
            _write_source(connection, source, records.get(name, {}))


def _write_source(connection: duckdb.DuckDBPyConnection, source: Source, tables: Mapping[str, Files]) -> None:
    unknown = set(tables) - set(source.tables)
    assert not unknown, f"{source.name} has no tables {sorted(unknown)}"
    schema = f"raw_{source.name}"
    connection.execute(f"create schema {schema}")
    connection.execute(
        f"create table {schema}.extracted_files (file_id text, file text, table_name text, rows bigint, "
        f"quarantined bigint, "
        "extracted_at timestamp, is_current boolean)"
    )
    connection.execute(f"create table {schema}.quarantine (file_id text, table_name text, reason text)")
    for table in source.tables.values():
        columns = table.columns
        connection.execute(f"create table {schema}.{table.name} ({', '.join(f'{column} text' for column in columns)})")
        for number, records in enumerate(tables.get(table.name, [])):
            file = f"{table.name}/{number:03}.jsonl"
            connection.execute(
                f"insert into {schema}.extracted_files values "
                "(?, ?, ?, ?, 0, timestamp '2025-01-01' + to_days(?::integer), true)",
                [file, file, table.name, len(records), number],
            )
            for record in records:
                strange = set(record) - set(columns)
                assert not strange, f"{schema}.{table.name} has no columns {sorted(strange)}"
                row = [_text(record.get(column)) for column in columns[:-1]] + [file]
                connection.execute(f"insert into {schema}.{table.name} values ({', '.join('?' * len(columns))})", row)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
