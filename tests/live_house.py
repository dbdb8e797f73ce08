"""A live source, and whether the raw tables tell what the system holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from extract_house import query, raw
from servers.base import ToolServer
from servers.source import SourceServer

from orchestration.extract.columns import column_name
from orchestration.extract.tables import DELETED_AT


def live(server: ToolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let extraction of this process go to the server, into a warehouse of its own."""
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def latest(source: str, table: str, changed: str | None = "updated_at") -> dict[str, dict[str, Any]]:
    """The latest appearance of each record by id, as staging picks it (the macro `latest_appearances`)."""
    times = f"cast({changed} as timestamptz) desc nulls last, " if changed else ""
    rows = query(
        f"select to_json(records) from (select *, row_number() over (partition by id order by {times}"
        f"_extracted_at desc, _file desc) as place from {raw(source, table)} as records) as records where place = 1"
    )
    records = (json.loads(text) for (text,) in rows)
    return {row["id"]: row for row in records if row[DELETED_AT] is None}


def same(raw_row: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether a row of a raw table is the record: every key, as text."""
    return all(_text(raw_row.get(column_name(key))) == _text(value) for key, value in record.items())


def _text(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.dumps(json.loads(value), sort_keys=True)
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def differences(server: SourceServer, source: str, table: str, changed: str | None = "updated_at") -> list[str]:
    """Ids of records that the raw table lacks or has otherwise than the system, or has beyond it."""
    held, there = latest(source, table, changed), server.tables.get(table, {})
    wrong = [id for id, record in there.items() if id not in held or not same(held[id], record)]
    return sorted([*wrong, *(id for id in held if id not in there)])


def appearances(source: str, table: str) -> int:
    return int(query(f"select count(*) from {raw(source, table)} as records")[0][0])
