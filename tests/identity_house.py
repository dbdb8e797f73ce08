"""The identity models run as they are, without dbt around them: milliseconds a batch, so that properties can be tried many times.

What is given are the tables at the edge: identifiers, attributes, scored pairs and the seeds. Everything from the numbering of records to
the review queue is the project's own SQL, built in order; what is incremental there is incremental here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2
from macros import MACROS

from kinship.identity.functions import register

MODELS = Path(__file__).parents[1] / "models" / "identity"
# What these models use of the macros: reading all of them takes a third of a second a model.
SOURCE = "\n".join(
    (MACROS / f"{name}.sql").read_text()
    for name in (
        "current_utc",
        "customer_ids",
        "dates",
        "graph_functions",
        "identity",
        "json",
        "lists",
        "union_sources",
    )
)
TABLES = {
    "int_identity__identifiers": "source varchar, record_id varchar, identifier_type varchar, identifier_value varchar,"
    " first_seen_at timestamp, last_seen_at timestamp",
    "int_identity__record_attributes": "source varchar, record_id varchar, given_name_canonical varchar, birth_date varchar,"
    " attributes_hash varchar",
    "int_identity__scored_pairs": "left_id bigint, left_hash varchar, right_id bigint, right_hash varchar, match_weight double,"
    " detail varchar, model_version varchar, largest_component integer, scored_in bigint",
    "identity_policy": "identifier_type varchar, tier integer, level varchar, weight double, max_per_person integer,"
    " max_persons_per_value integer, window_days integer",
    "identity_blocked_values": "identifier_type varchar, identifier_value varchar",
    "identity_overrides": "action varchar, left_source varchar, left_record_id varchar, right_source varchar,"
    " right_record_id varchar, identifier_type varchar, identifier_value varchar, author varchar, reason varchar,"
    " decided_on date, expires_on date",
}
# In the order in which they read each other.
ORDER = (
    "int_identity__nodes",
    "int_identity__records",
    "int_identity__overrides",
    "identity_quarantine",
    "int_identity__shared_identifiers",
    "int_identity__likeness_model",
    "int_identity__likenesses",
    "int_identity__links",
    "int_identity__claims",
    "int_identity__current_evidence",
    "int_identity__evidence",
    "int_identity__components",
    "int_identity__refusals",
    "int_identity__clusters",
    "identity_edges",
    "identity_assignments",
    "identity_graph",
    "identity_redirects",
    "int_identity__transitions",
    "identity_events",
)
DERIVED = ("identity_explanations", "identity_health", "identity_levels", "identity_review_queue")
POLICY = [
    ("account_id", 1, "strict", 40.0, 1, None, None),
    ("email", 2, "strict", 20.0, 3, 1, None),
    ("phone", 2, "default", 14.0, None, 1, 365),
    ("cookie", 4, "default", 10.0, None, 1, None),
]
START = datetime(2026, 1, 1)
VARS = {
    "sources": {},
    "identity_levels": {"strict": 14, "default": 4},
    "identity_name_noise": 0.9,
    "identity_names_per_person": 3,
    "as_of": "",
}


class _Adapter:
    @staticmethod
    @jinja2.pass_context
    def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
        return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")


class _Dbt:
    @staticmethod
    def type_string() -> str:
        return "varchar"


@cache
def _template(model: str) -> jinja2.Template:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    return environment.from_string(SOURCE + "\n[text]" + (MODELS / f"{model}.sql").read_text())


class House:
    """A warehouse of identity tables. `put` and `drop` change what is there, `build` builds."""

    def __init__(self, policy: Iterable[tuple[Any, ...]] = POLICY) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1")
        register(self.connection)
        for name, columns in TABLES.items():
            self.connection.execute(f"create table {name} ({columns})")
        self.connection.executemany(
            "insert into identity_policy values (?, ?, ?, ?, ?, ?, ?)", [list(row) for row in policy]
        )
        self.config: dict[str, Any] = {}

    def put(
        self, record: str, identifiers: Mapping[str, str] | Iterable[tuple[str, str]], day: int = 0, **attributes: str
    ) -> None:
        """A record with identifiers (type, value), first and last seen on a day; `given_name`, `birth_date`."""
        pairs = identifiers.items() if isinstance(identifiers, Mapping) else identifiers
        seen = START + timedelta(days=day)
        rows = [["test", record, kind, value, seen, seen] for kind, value in pairs]
        if rows:
            self.connection.executemany("insert into int_identity__identifiers values (?, ?, ?, ?, ?, ?)", rows)
        if attributes or not rows:
            self.connection.execute(
                "insert into int_identity__record_attributes values ('test', ?, ?, ?, ?)",
                [record, attributes.get("given_name"), attributes.get("birth_date"), attributes.get("says", "same")],
            )

    def drop(self, record: str) -> None:
        """The record is gone from its source."""
        for table in ("int_identity__identifiers", "int_identity__record_attributes"):
            self.connection.execute(f"delete from {table} where record_id = ?", [record])

    def alike(self, left: str, right: str, bits: float) -> None:
        """The model found two records alike; both must have been built."""
        ids = [
            self.rows("select node_id from int_identity__nodes where record_id = ?", record)[0][0]
            for record in (left, right)
        ]
        self.connection.execute(
            "insert into int_identity__scored_pairs values (?, 'same', ?, 'same', ?, 'tested', 'v1', 50, 1)",
            [min(ids), max(ids), bits],
        )

    def override(
        self, action: str, left: str | tuple[str, str], right: str | None = None, day: str = "2026-06-01"
    ) -> None:
        """A steward's decision; a blocked value as (type, value)."""
        pair = left if isinstance(left, tuple) else (None, None)
        records = (None, None, None, None) if isinstance(left, tuple) else ("test", left, "test", right)
        self.connection.execute(
            "insert into identity_overrides values (?, ?, ?, ?, ?, ?, ?, 'me', 'because', ?, null)",
            [action, *records, *pair, day],
        )

    def build(self, *, derived: bool = False) -> None:
        """Build all models once more, incrementally where they are."""
        for model in (*ORDER, *(DERIVED if derived else ())):
            self._build(model)

    def _build(self, model: str) -> None:
        exists = bool(self.rows("select 1 from duckdb_tables() where table_name = ?", model))
        config: dict[str, Any] = {}
        sql = _template(model).render(
            adapter=_Adapter,
            dbt=_Dbt,
            ref=lambda name: name,
            var=lambda name, *_: VARS[name],
            config=lambda **given: config.update(given) or "",
            this=model,
            is_incremental=lambda: exists,
        )
        sql = sql.split("[text]")[-1]
        if not exists or config.get("materialized") not in ("incremental", "connected_components"):
            if model == "int_identity__components":
                sql = self._components(sql)
            self.connection.execute(f"create or replace table {model} as {sql}")
        elif config["materialized"] == "connected_components":
            self.connection.execute(f"create or replace table {model} as {self._components(sql)}")
        elif config.get("incremental_strategy") == "append":
            self.connection.execute(f"insert into {model} by name {sql}")
        else:
            self.connection.execute(
                f"merge into {model} as old using ({sql}) as new on old.{config['unique_key']} = new.{config['unique_key']}"
                " when matched then update by name when not matched then insert by name"
            )

    @staticmethod
    def _components(sql: str) -> str:
        # the materialisation itself is held against networkx in test_identity_components.py
        return f"""
            with links as ({sql}),
            solved as (
                select unnest(connected_components(list(left_id), list(right_id)), recursive := true)
                from links where is_current
            ),
            alone as (
                select node_id from (select left_id as node_id from links union select right_id from links)
                anti join solved using (node_id)
            )
            select node_id, component_id from solved union all select node_id, node_id from alone
        """

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query, list(values)).fetchall()

    def ids(self) -> dict[str, str]:
        """customer_id by record."""
        return dict(self.rows("select record_id, customer_id from identity_graph"))

    def people(self) -> set[frozenset[str]]:
        """The partition, without ids."""
        return groups(self.ids())


def groups(ids: Mapping[str, str]) -> set[frozenset[str]]:
    """Records by what they share."""
    found: dict[str, set[str]] = {}
    for record, group in ids.items():
        found.setdefault(group, set()).add(record)
    return {frozenset(members) for members in found.values()}
