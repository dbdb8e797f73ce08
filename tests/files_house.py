"""A staging model that follows the files that came and went, built as dbt would: merged, then its post-hook."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from macros import MACROS

from kinship.settings import ROOT
from orchestration.extract import sources

MACRO_FILES = ("appearances", "json", "raw", "taken_in", "text", "time")
START = datetime(2026, 3, 1)


@cache
def _template(text: str) -> jinja2.Template:
    macros = "\n".join((MACROS / f"{name}.sql").read_text() for name in MACRO_FILES)
    return jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(f"{macros}\n[text]{text}")


def _render(text: str, **context: Any) -> str:
    return _template(text).render(context).split("[text]")[-1]


class Config(dict[str, Any]):
    """What a model says of itself: `config(...)` says it, `config.get(...)` asks."""

    def __call__(self, **said: Any) -> str:
        self.update(said)
        return ""


class FilesHouse:
    """The raw table `source`.`table`, its `extracted_files`, and the model over them, `model`; variables are `vars`."""

    def __init__(self, source: str, table: str, model: str, **vars: str) -> None:
        self.table = table
        self.text = (ROOT / "models" / "staging" / source / f"{model}.sql").read_text()
        self.vars = vars
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set TimeZone = 'UTC'")
        columns = ", ".join(f'"{name}" varchar' for name in sources()[source].tables[table].columns)
        self.connection.execute(f"create table {table} ({columns})")
        self.connection.execute(
            "create table extracted_files (file_id varchar, file varchar, table_name varchar, extracted_at timestamp,"
            " is_current boolean)"
        )

    def take_in(self, file_id: str, file: str, day: int, rows: list[Mapping[str, Any]]) -> None:
        """A file, taken in on a day, with its rows."""
        self.connection.execute(
            "insert into extracted_files values (?, ?, ?, ?, true)",
            [file_id, file, self.table, START + timedelta(days=day)],
        )
        for row in rows:
            row = {**row, "_file_id": file_id}
            self.connection.execute(
                f"insert into {self.table} ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()]
            )

    def turn(self, file_id: str, *, is_current: bool) -> None:
        """Let a file count no more, or again."""
        self.connection.execute("update extracted_files set is_current = ? where file_id = ?", [is_current, file_id])

    def build(self, *, table: str = "held", hook: bool = True) -> None:
        """Build the model into a table, by an increment where it is there."""
        exists = bool(self.connection.execute("from duckdb_tables() where table_name = ?", [table]).fetchall())
        context = self._context(table, exists)
        config = context["config"]
        sql = _render(self.text, **context)
        if exists:
            self.connection.execute(f"create or replace temp table told as {sql}")
            key = config["unique_key"]
            self.connection.execute(
                f"merge into {table} as old using told as new on old.{key} = new.{key}"
                " when matched then update by name when not matched then insert by name"
            )
            if hook:
                self.connection.execute(_render(config["post_hook"], **context))
        else:
            self.connection.execute(f"create table {table} as {sql}")

    def increment(self) -> str:
        """The statement whose rows are merged into the table `held`."""
        return _render(self.text, **self._context("held", True))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _context(self, table: str, exists: bool) -> dict[str, Any]:
        described = self.connection.execute(f"describe {table}").fetchall() if exists else []

        class Adapter:
            @staticmethod
            @jinja2.pass_context
            def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
                return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")

            @staticmethod
            def get_columns_in_relation(_relation: str) -> list[SimpleNamespace]:
                return [SimpleNamespace(name=name) for name, *_ in described]

        return {
            "adapter": Adapter,
            "config": Config(),
            "dbt": SimpleNamespace(string_literal=lambda text: "'" + text.replace("'", "''") + "'"),
            "execute": True,
            "is_incremental": lambda: exists,
            "run_query": lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
            "source": lambda _source, name: name,
            "this": table,
            "var": self.vars.__getitem__,
        }
