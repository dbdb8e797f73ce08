"""A warehouse and source folders of its own for each extraction test, and simple questions to them."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from jinja2 import Environment

from kinship.settings import ROOT, settings
from orchestration.extract import ExtractResult, extract


class House:
    """The sources lie in `sources`; `extract` runs in this process."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "sources"
        self.sources.mkdir(parents=True)

    def path(self, file: str) -> Path:
        path = self.sources / file
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, file: str, content: str | bytes) -> Path:
        path = self.path(file)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
        return path

    def append(self, file: str, content: str | bytes) -> None:
        with self.path(file).open("ab") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    def extract(self, source: str) -> ExtractResult:
        return extract(source)


def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    for variable in ("KINSHIP_WAREHOUSE", "KINSHIP_SOURCES", "KINSHIP_ZENDESK_PATH", "KINSHIP_SEGMENT_PATH"):
        monkeypatch.delenv(variable, raising=False)
    return House(tmp_path)


def user(id_: object, **more: object) -> str:
    """One line of zendesk's users."""
    return json.dumps({"id": id_, "updated_at": "2026-01-01T10:00:00Z", **more}, ensure_ascii=False) + "\n"


def users(ids: Iterable[object]) -> str:
    return "".join(user(id_) for id_ in ids)


def query(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings().warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def raw(source: str, table: str) -> str:
    """The macro `raw` of the dbt project, rendered."""
    text = (ROOT / "dbt_project" / "macros" / "raw.sql").read_text()
    environment = Environment()
    template = environment.from_string(text, globals={"source": lambda source, table: f"raw_{source}.{table}"})
    return str(template.module.raw(source, table))  # type: ignore[attr-defined]


def current(source: str, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """The current records of a raw table, sorted."""
    return sorted(query(f"select {', '.join(columns)} from {raw(source, table)} as records"), key=repr)


def quarantined(source: str) -> list[tuple[str, int | None, str]]:
    """(file, line, reason) of the current quarantined records, sorted."""
    rows = query(
        f"select q.file, q.line, q.reason from raw_{source}.quarantine as q "
        f"inner join raw_{source}.extracted_files using (file_id) where is_current"
    )
    return sorted(rows, key=repr)


def everything(source: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all raw tables of a source, without dlt's own."""
    tables = query(f"select table_name from information_schema.tables where table_schema = 'raw_{source}'")
    return {
        table: sorted(query(f"select * from raw_{source}.{table}"), key=repr)
        for (table,) in tables
        if not table.startswith("_dlt")
    }
