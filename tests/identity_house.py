"""The identity models run as they are, without dbt around them: a tenth of a second a batch, so that properties can be
tried many times.

What is given are the tables at the edge: identifiers, attributes, likenesses and the seeds. Everything from the numbers
of records to the review queue is the project's own SQL, built in order; what is incremental there is incremental here.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2
from macros import MACROS

from kinship.identity.functions import register

MODELS = Path(__file__).parents[1] / "models" / "identity"
# What these models use of the macros: reading all of them takes a third of a second a model.
MACRO_FILES = (
    "current_utc",
    "customer_ids",
    "dates",
    "graph_functions",
    "identity",
    "json",
    "lists",
    "union_sources",
)
TABLES = {
    "int_identity__identifiers": (
        "source varchar, record_id varchar, identifier_type varchar, identifier_value varchar,"
        " first_seen_at timestamp, last_seen_at timestamp"
    ),
    "int_identity__record_attributes": (
        "source varchar, record_id varchar, given_name_canonical varchar, birth_date varchar, attributes_hash varchar,"
        " changed_at timestamp"
    ),
    "likenesses": "left_record varchar, left_hash varchar, right_record varchar, right_hash varchar, bits double",
    "identity_policy": (
        "identifier_type varchar, tier integer, level varchar, weight double, max_per_person integer,"
        " max_persons_per_value integer, window_days integer"
    ),
    "identity_blocked_values": "identifier_type varchar, identifier_value varchar",
    "identity_overrides": (
        "action varchar, left_source varchar, left_record_id varchar, right_source varchar, right_record_id varchar,"
        " identifier_type varchar, identifier_value varchar, author varchar, reason varchar, decided_on date,"
        " expires_on date"
    ),
}
# In the order in which they read each other.
ORDER = (
    "int_identity__nodes",
    "int_identity__scored_pairs",
    "int_identity__records",
    "int_identity__overrides",
    "identity_quarantine",
    "int_identity__shared_identifiers",
    "int_identity__likeness_model",
    "int_identity__likenesses",
    "int_identity__rivals",
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
    "int_identity__transitions",
    "identity_redirects",
    "identity_events",
    "identity_levels",
)
DERIVED = ("identity_explanations", "identity_health", "identity_review_queue")
POLICY = (
    # type, tier, level, bits, most of it per person, most people per value, days it may lie idle
    ("account_id", 1, "strict", 40.0, 1, None, None),
    ("email", 2, "strict", 20.0, 3, 1, None),
    ("phone", 2, "default", 14.0, None, 1, 365),
    ("cookie", 4, "broad", 3.0, None, 1, None),
)
START = datetime(2026, 1, 1)
VARS = {
    "sources": {},
    "identity_levels": {"strict": 14, "default": 4, "broad": 1},
    "identity_name_noise": 0.9,
    "identity_names_per_person": 3,
    "identity_review_questions": 1000,
    "identity_graph_buckets": 16,
    "as_of": "",
}
Changes = Mapping[str, tuple[str, str]]
NO_CHANGES: Changes = {}


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
def _rendered(model: str, is_incremental: bool, changes: tuple[tuple[str, tuple[str, str]], ...]) -> tuple[str, Any]:
    """The SQL of a model and its config."""

    def text(file: Path) -> str:
        found = file.read_text()
        for name, (old, new) in changes:
            if name == file.stem:
                if old not in found:
                    raise LookupError(f"{file.name} does not say {old!r} any more")
                found = found.replace(old, new)
        return found

    config: dict[str, Any] = {}
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    macros = "\n".join(text(MACROS / f"{name}.sql") for name in MACRO_FILES)
    sql = environment.from_string(macros + "\n[text]" + text(MODELS / f"{model}.sql")).render(
        adapter=_Adapter,
        dbt=_Dbt,
        ref=lambda name: name,
        var=lambda name, *_: VARS[name],
        config=lambda **given: config.update(given) or "",
        this=model,
        is_incremental=lambda: is_incremental,
    )
    return sql.split("[text]")[-1], config


@cache
def _is_used(macro_file: str, model: str) -> bool:
    """Whether a model uses a macro of that file."""
    path, text = MACROS / f"{macro_file}.sql", (MODELS / f"{model}.sql").read_text()
    return path.exists() and any(name in text for name in re.findall(r"macro (\w+)", path.read_text()))


class House:
    """A warehouse of identity tables. `put` and `drop` change what is there, `build` builds.

    `changes` puts other text into models and macros, by the name of the file: for tests that a guard is missed.
    `largest` is the number of records above which the model of likeness finds a component suspicious.
    """

    def __init__(
        self, policy: Iterable[tuple[Any, ...]] = POLICY, changes: Changes = NO_CHANGES, largest: int = 50
    ) -> None:
        self.largest = largest
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1")
        register(self.connection)
        for name, columns in TABLES.items():
            self.connection.execute(f"create table {name} ({columns})")
        self._insert("identity_policy", policy)
        self.changes = tuple(changes.items())
        self.built: set[str] = set()

    def _insert(self, table: str, rows: Iterable[Iterable[Any]]) -> None:
        values = [list(row) for row in rows]
        if values:
            places = ", ".join("?" * len(values[0]))
            self.connection.execute(
                f"insert into {table} values " + ", ".join([f"({places})"] * len(values)),
                [value for row in values for value in row],
            )

    def put(
        self,
        record: str,
        identifiers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        day: int = 0,
        **attributes: str | None,
    ) -> None:
        """A record with identifiers (type, value), first and last seen on a day.

        Attributes: `given_name`, `birth_date`, and `says` for all else it says. One without identifiers was never seen:
        it is given a name of its own, which nobody shares.
        """
        pairs = [*identifiers.items()] if isinstance(identifiers, Mapping) else [*identifiers]
        seen = START + timedelta(days=day)
        self._insert(
            "int_identity__identifiers",
            [("test", record, kind, value, seen, seen) for kind, value in pairs or [("own_id", record)]],
        )
        said = (attributes.get("given_name"), attributes.get("birth_date"), attributes.get("says") or "same")
        self._insert("int_identity__record_attributes", [("test", record, *said, seen)])

    def drop(self, record: str) -> None:
        """The record is gone from its source."""
        for table in ("int_identity__identifiers", "int_identity__record_attributes"):
            self.connection.execute(f"delete from {table} where record_id = ?", [record])

    def alike(self, left: str, right: str, bits: float, left_says: str = "same", right_says: str = "same") -> None:
        """The model finds two records alike, as long as they say what they said."""
        self._insert("likenesses", [(left, left_says, right, right_says, bits)])

    def override(
        self,
        action: str,
        left: str | tuple[str, str],
        right: str | None = None,
        day: str = "2026-06-01",
        expires: date | None = None,
    ) -> None:
        """A steward's decision; a blocked value as (type, value)."""
        pair = left if isinstance(left, tuple) else (None, None)
        records = (None, None, None, None) if isinstance(left, tuple) else ("test", left, "test", right)
        self._insert("identity_overrides", [(action, *records, *pair, "me", "because", day, expires)])

    def withdraw(self, action: str | None = None) -> None:
        """Take the steward's decisions back: all, or those of one kind."""
        self.connection.execute("delete from identity_overrides where action = ? or ? is null", [action, action])

    def empty(self) -> None:
        """Nothing is given any more; what was built stays."""
        for table in TABLES.keys() - {"identity_policy"}:
            self.connection.execute(f"truncate {table}")

    def build(self, *, derived: bool = False, until: str | None = None) -> None:
        """Build all models once more, incrementally where they are; up to and including `until`, as a run that dies."""
        for model in (*ORDER, *(DERIVED if derived else ())):
            self._build(model)
            if model == until:
                break

    def _build(self, model: str) -> None:
        if model == "int_identity__scored_pairs":
            return self._score()
        exists = model in self.built
        changes = tuple((file, change) for file, change in self.changes if file == model or _is_used(file, model))
        sql, config = _rendered(model, exists, changes)
        if model == "int_identity__components":
            sql = self._components(sql)
        if not exists or config.get("materialized") != "incremental":
            self.connection.execute(f"create or replace table {model} as {sql}")
        elif config.get("incremental_strategy") == "append":
            self.connection.execute(f"insert into {model} by name {sql}")
        else:
            key = config["unique_key"]
            self.connection.execute(
                f"merge into {model} as old using ({sql}) as new on old.{key} = new.{key}"
                " when matched then update by name when not matched then insert by name"
            )
        self.built.add(model)

    def _score(self) -> None:
        self.connection.execute(f"""
            create or replace table int_identity__scored_pairs as
            select
                least(l.node_id, r.node_id) as left_id,
                case when l.node_id < r.node_id then left_hash else right_hash end as left_hash,
                greatest(l.node_id, r.node_id) as right_id,
                case when l.node_id < r.node_id then right_hash else left_hash end as right_hash,
                bits as match_weight, 'tested' as detail, 'v1' as model_version, {self.largest} as largest_component,
                1::bigint as scored_in
            from likenesses
            inner join int_identity__nodes as l on l.record_id = left_record
            inner join int_identity__nodes as r on r.record_id = right_record
        """)

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

    def save(self, path: Path) -> None:
        """What was built as a warehouse file, under the schemas that dbt gives."""
        self.connection.execute(f"attach '{path}' as saved")
        for schema in ("identity", "seeds"):
            self.connection.execute(f"create schema saved.{schema}")
        for table in self.built | TABLES.keys() - {"likenesses"}:
            schema = (
                "seeds" if table in ("identity_policy", "identity_blocked_values", "identity_overrides") else "identity"
            )
            self.connection.execute(f"create table saved.{schema}.{table} as from {table}")
        self.connection.execute("detach saved")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query, list(values)).fetchall()

    def ids(self) -> dict[str, str]:
        """customer_id by record."""
        return dict(self.rows("select record_id, customer_id from identity_graph"))

    def current_ids(self) -> dict[str, str | None]:
        """The person that each id ever issued leads to."""
        return dict(self.rows("select customer_id, current_customer_id from identity_redirects"))

    def people(self) -> set[frozenset[str]]:
        """The partition, without ids."""
        return groups(self.ids())


def groups(ids: Mapping[str, str]) -> set[frozenset[str]]:
    """Records by what they share."""
    found: dict[str, set[str]] = {}
    for record, group in ids.items():
        found.setdefault(group, set()).add(record)
    return {frozenset(members) for members in found.values()}
