"""Models of the layers identity and customers, run as they are on given tables without dbt around them."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
from macros import SOURCE

ROOT = Path(__file__).parents[1]
MODELS = {path.stem: path for layer in ("identity", "customers") for path in (ROOT / "models" / layer).glob("*.sql")}
SOURCES = ("crm", "shop", "mail")
VARS = {"sources": {source: ["attributes", "consents"] for source in SOURCES}, "identity_other_attributes": ["size"]}
TABLES = {
    "attributes": (
        "source varchar, record_id varchar, attribute varchar, value varchar, is_verified boolean,"
        " observed_at timestamp"
    ),
    "consents": (
        "source varchar, record_id varchar, purpose varchar, channel varchar, status varchar, legal_basis varchar,"
        " captured_at timestamp"
    ),
    "identity_graph": "source varchar, record_id varchar, customer_id varchar",
    "identity_blocked_values": "identifier_type varchar, identifier_value varchar",
    "int_identity__overrides": "action varchar, identifier_type varchar, identifier_value varchar",
    "survivorship": "attribute varchar, rule varchar, source_order varchar, together varchar",
}
SEEDS = {
    "countries": "name varchar, country_code varchar",
    "nicknames": "nickname varchar, name varchar, language varchar",
    "country_calling_codes": "country_code varchar, calling_code varchar, trunk_prefix varchar",
    "email_providers": (
        "domain varchar, canonical_domain varchar, ignores_dots boolean, tag_separators varchar, is_free boolean,"
        " source varchar"
    ),
}


class Stopped(Exception):
    """What dbt makes of `exceptions.raise_compiler_error`."""


class _Adapter:
    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns

    def get_columns_in_relation(self, _relation: str) -> list[SimpleNamespace]:
        """The columns of the table that is being built."""
        return [SimpleNamespace(name=name) for name in self.columns]

    @staticmethod
    @jinja2.pass_context
    def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
        return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")


def _stop(message: str) -> None:
    raise Stopped(message)


def _render(text: str, **given: Any) -> str:
    context = {"config": lambda **_: "", "execute": False, "is_incremental": lambda: False} | given
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    rendered = environment.from_string(f"{SOURCE}\n[text]{text}").render(
        **{"adapter": _Adapter()} | context,
        ref=lambda name: name,
        var=lambda name: VARS[name],
        exceptions=SimpleNamespace(raise_compiler_error=_stop),
    )
    return rendered.split("[text]")[-1]


@cache
def _sql(model: str) -> str:
    return _render(MODELS[model].read_text())


@cache
def _increment(model: str, columns: tuple[str, ...]) -> tuple[str, dict[str, Any], str]:
    """What goes on with a table of these columns: its SQL, the model's settings, what is run afterwards."""
    settings: dict[str, Any] = {}
    context = {
        "this": model,
        "execute": True,
        "is_incremental": lambda: True,
        "adapter": _Adapter(columns),
        "config": lambda **given: settings.update(given) or "",
    }
    sql = _render(MODELS[model].read_text(), **context)
    return sql, settings, _render(settings.get("post_hook", ""), **context)


class House:
    """A warehouse with what the models of the profile read: fill the tables, then build."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1")
        for table, columns in TABLES.items():
            self.connection.execute(f"create table {table} ({columns})")
        for kind in ("attributes", "consents"):
            for source in SOURCES:
                self.connection.execute(
                    f"create view stg_{source}__{kind} as select * from {kind} where source = '{source}'"
                )
        for seed, columns in SEEDS.items():
            types = {name: kind for name, kind in (column.split() for column in columns.split(", "))}
            self.connection.execute(
                f"create table {seed} as select * from read_csv('{ROOT}/seeds/{seed}.csv', header = true,"
                f" columns = {types}, nullstr = '')"
            )

    def put(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """The rows of a table, in place of those it had."""
        self.connection.execute(f"truncate {table}")
        values = [tuple(row) for row in rows]
        if values:
            places = ", ".join("?" * len(values[0]))
            self.connection.execute(
                f"insert into {table} values " + ", ".join([f"({places})"] * len(values)),
                [value for row in values for value in row],
            )

    def build(self, *models: str) -> None:
        """Build models in the order given."""
        for model in models:
            self.connection.execute(f"create or replace table {model} as {_sql(model)}")

    def increment(self, *models: str) -> None:
        """Go on with incremental models, in the order given, as dbt does: by their strategy, then the post-hook."""
        for model in models:
            sql, settings, afterwards = _increment(model, tuple(name for name, *_ in self.rows(f"describe {model}")))
            self.connection.execute(f"create or replace temp table new_rows as {sql}")
            if settings["incremental_strategy"] == "merge":
                keys = settings["unique_key"]
                key = keys if isinstance(keys, str) else ", ".join(keys)
                self.connection.execute(f"delete from {model} where ({key}) in (select {key} from new_rows)")
            self.connection.execute(f"insert into {model} by name from new_rows")
            if afterwards:
                self.connection.execute(afterwards)

    def check_survivorship(self) -> None:
        """What dbt does before it chooses; raises `Stopped`."""
        _render(
            "{{ check_survivorship() }}",
            execute=True,
            run_query=lambda sql: SimpleNamespace(rows=self.connection.execute(sql).fetchall()),
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()
