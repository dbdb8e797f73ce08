"""The timeline's models run as they are, without dbt around them, over tables small enough to try many histories.

Given are the tables at the edge: two sources' events (`web` says when it was extracted, `till` does not), who is who,
and the seeds. `build` makes the models as dbt would: merged where they are incremental, with their post-hooks.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from macros import MACROS

MODELS = Path(__file__).parents[1] / "models" / "customers"
MACRO_FILES = ("changes", "current_utc", "dates", "timeline", "union_sources")
ORDER = ("customer_events", "int_customers__traffic_channels", "customer_sessions")
SOURCES = ("web", "till")
EVENT_COLUMNS = {
    "source": "varchar",
    "event_id": "varchar",
    "record_id": "varchar",
    "event_type": "varchar",
    "channel": "varchar",
    "occurred_at": "timestamp",
    "received_at": "timestamp",
    "campaign": "varchar",
    "product_id": "varchar",
    "cart_id": "varchar",
    "order_id": "varchar",
    "ticket_id": "varchar",
    "amount": "decimal(18, 2)",
    "currency": "varchar",
    "detail": "varchar",
    "utm_source": "varchar",
    "utm_medium": "varchar",
    "referrer_host": "varchar",
    "page_path": "varchar",
    "device_type": "varchar",
    "device_record_id": "varchar",
    "extracted_at": "timestamp",
}
TABLES = {
    **{f"stg_{source}__events": EVENT_COLUMNS for source in SOURCES},
    "identity_graph": {"source": "varchar", "record_id": "varchar", "customer_id": "varchar"},
    "identity_assignments": {"source": "varchar", "record_id": "varchar", "assigned_at": "timestamp"},
    "identity_device_owners": {
        "source": "varchar",
        "record_id": "varchar",
        "customer_id": "varchar",
        "valid_from": "timestamp",
        "valid_to": "timestamp",
    },
    "channel_rules": {"position": "integer", "utm_medium": "varchar", "site_kind": "varchar", "channel": "varchar"},
    "traffic_sites": {"site": "varchar", "site_kind": "varchar"},
}
VARS: dict[str, Any] = {"sources": {source: ["events"] for source in SOURCES}, "session_minutes": 30}
Changes = Mapping[str, tuple[str, str]]


class _Adapter:
    @staticmethod
    @jinja2.pass_context
    def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
        return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")


class House:
    """A warehouse with the timeline. `changes` puts other text into models and macros, by the name of the file."""

    def __init__(self, changes: Changes | None = None, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self.connection = connection or duckdb.connect(config={"threads": 1})
        self.connection.execute("set TimeZone = 'UTC'")
        for name, columns in TABLES.items():
            self.connection.execute(f"create table {name} ({', '.join(map(' '.join, columns.items()))})")
        self.changes = tuple((changes or {}).items())
        self.built: set[str] = set()

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows by column name; what is not given is NULL."""
        for row in rows:
            names = ", ".join(row)
            self.connection.execute(
                f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", [*row.values()]
            )

    def build(self, *, full_refresh: bool = False) -> None:
        if full_refresh:
            self.built.clear()
        for model in ORDER:
            self.build_model(model)

    def build_model(self, model: str) -> None:
        """Build one of ORDER."""
        config: dict[str, Any] = {}
        exists = model in self.built
        context = {
            "adapter": _Adapter,
            "dbt": SimpleNamespace(type_string=lambda: "varchar"),
            "ref": lambda name: name,
            "var": lambda name, *_: VARS[name],
            "config": lambda **given: config.update(given) or "",
            "this": model,
            "is_incremental": lambda: exists and config.get("materialized") == "incremental",
            "run_query": lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
        }
        sql = _template(_text(MODELS / f"{model}.sql", self.changes), self.changes).render(context).split("[text]")[-1]
        if not context["is_incremental"]():  # type: ignore[operator]
            self.connection.execute(f"create or replace table {model} as {sql}")
        else:
            key = config["unique_key"]
            self.connection.execute(f"create or replace temp table new_rows as {sql}")
            self.connection.execute(
                f"merge into {model} as old using new_rows as new on old.{key} = new.{key}"
                " when matched then update by name when not matched then insert by name"
            )
        self.built.add(model)
        if config.get("post_hook"):
            exists = True
            after = _template(config["post_hook"], self.changes).render(context).split("[text]")[-1]
            if after.strip():
                self.connection.execute(after)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()


@cache
def _template(text: str, changes: tuple[tuple[str, tuple[str, str]], ...]) -> jinja2.Template:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    macros = "\n".join(_text(MACROS / f"{name}.sql", changes) for name in MACRO_FILES)
    return environment.from_string(f"{macros}\n[text]{text}")


@cache
def _text(file: Path, changes: tuple[tuple[str, tuple[str, str]], ...]) -> str:
    found = file.read_text()
    for name, (old, new) in changes:
        if name == file.stem:
            if old not in found:
                raise LookupError(f"{file.name} does not say {old!r} any more")
            found = found.replace(old, new)
    return found
