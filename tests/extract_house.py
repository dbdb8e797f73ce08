"""A warehouse and source folders of its own for each extraction test, and simple questions to them."""

import gzip
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from jinja2 import Environment

from kinship.settings import ROOT, settings
from orchestration.extract import ExtractResult, extract

# what `KINSHIP_TARGET` may be, for tests that hold on both
TARGETS = ["duckdb", pytest.param("spark", marks=pytest.mark.spark)]


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
    for variable in ("WAREHOUSE", "SOURCES", "ZENDESK_PATH", "ZENDESK_URL", "SEGMENT_PATH", "TARGET", "LAKE"):
        monkeypatch.delenv(f"KINSHIP_{variable}", raising=False)
    return House(tmp_path)


def house_of_target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose `KINSHIP_TARGET` is the fixture's parameter."""
    result = house(tmp_path, monkeypatch)
    monkeypatch.setenv("KINSHIP_TARGET", request.param)
    return result


def jump(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Put our clock so far off the true time."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("orchestration.extract.run.datetime", Jumped)
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + hours * 3600)


def user(id_: object, **more: object) -> str:
    """One line of zendesk's users."""
    return json.dumps({"id": id_, "updated_at": "2026-01-01T10:00:00Z", **more}, ensure_ascii=False) + "\n"


def users(ids: Iterable[object]) -> str:
    return "".join(user(id_) for id_ in ids)


def query(sql: str) -> list[tuple[Any, ...]]:
    with raw_tables() as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def raw_tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse; or copies of all raw tables of the lake, in memory."""
    if settings().target != "spark":
        with duckdb.connect(str(settings().warehouse), read_only=True) as connection:
            yield connection
        return
    from deltalake import DeltaTable

    with duckdb.connect() as connection:
        for log in sorted(Path(settings().lake).glob("raw_*/*/_delta_log")):
            table, schema = log.parent.name, log.parent.parent.name
            connection.register("delta", DeltaTable(str(log.parent)).to_pyarrow_table())
            connection.execute(f"create schema if not exists {schema}; create table {schema}.{table} as from delta")
            connection.unregister("delta")
        yield connection


def loads(source: str) -> int:
    """How many loads there have been."""
    if settings().target != "spark":
        return int(query(f"select count(*) from raw_{source}._dlt_loads")[0][0])
    return len(list(Path(settings().lake, f"raw_{source}").glob("*/_delta_log/*.json")))


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
