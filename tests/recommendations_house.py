"""Runs the SQL of next products as it stands, on tables of a DuckDB in memory, without a dbt run."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pyarrow as pa
import yaml
from macros import render_text

from kinship.predictions import next_products
from kinship.predictions.backtest import Fit

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models" / "predictions"
VARIABLES = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"] | {"next_products_settling_days": 0}

# in the order in which they read each other
STEPS = (
    "int_predictions__products_on_sale",
    "int_predictions__basket_lines",
    "int_predictions__learning_lines",
    "int_predictions__basket_moments",
    "int_predictions__purchases",
    "int_predictions__product_pairs",
    "int_predictions__popular_products",
    "int_predictions__next_baskets",
    "int_predictions__next_product_candidates",
)

VIEWS = {
    "int_predictions__products_on_sale",
    "int_predictions__basket_lines",
    "int_predictions__learning_lines",
    "int_predictions__next_product_candidates",
}
# what is recommended by what was learned
FOLLOWERS = ("int_predictions__purchase_changes", "next_products")

# order, person, product, time
Line = tuple[str, str, str, datetime]


class _Adapter:
    """The adapter of a table that is there already."""

    @staticmethod
    def get_columns_in_relation(_relation: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in ("changed_at", "fingerprint")]

    @staticmethod
    @jinja2.pass_context
    def dispatch(names: jinja2.runtime.Context, name: str, _package: str = "") -> Any:
        return names.resolve(f"duckdb__{name}") or names.resolve(f"default__{name}")


@cache
def model_sql(name: str, engine: str = "duckdb", **variables: Any) -> str:
    """The SQL of a model that is built from nothing; tables are called by their bare names."""
    return text_sql((MODELS / f"{name}.sql").read_text(), engine, **variables)


def text_sql(text: str, engine: str = "duckdb", **variables: Any) -> str:
    """The SQL of a text in which models and macros are named."""
    return render_text(text, engine, config=lambda **_: "", is_incremental=lambda: False, **_context(variables))


@cache
def increment_sql(name: str, **variables: Any) -> tuple[str, dict[str, Any], str]:
    """What goes on with a table that is there: its SQL, the model's settings, what is run afterwards."""
    settings: dict[str, Any] = {}
    context = _context(variables) | {
        "this": name,
        "execute": True,
        "is_incremental": lambda: True,
        "adapter": _Adapter,
        # whether there is anything to learn is left to the statement itself
        "run_query": lambda _sql: SimpleNamespace(rows=[[1]]),
        "config": lambda **given: settings.update(given) or "",
    }
    sql = render_text((MODELS / f"{name}.sql").read_text(), **context)
    return sql, settings, render_text(settings.get("post_hook", ""), **context)


def _context(variables: dict[str, Any]) -> dict[str, Any]:
    known = VARIABLES | variables
    return {
        "ref": lambda table: table,
        "var": lambda key: known[key],
        "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "graph": SimpleNamespace(nodes={}),
    }


def house(lines: Iterable[Line], cancelled: dict[str, datetime | None] | None = None) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with these order lines; `cancelled`: order -> when it was cancelled."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 1")
    connection.execute(
        "create table customer_order_lines"
        " (order_id varchar, customer_id varchar, product_id varchar, ordered_at timestamp, quantity integer)"
    )
    if rows := [(*line, 1) for line in lines]:
        columns = dict(
            zip(
                ("order_id", "customer_id", "product_id", "ordered_at", "quantity"),
                zip(*rows, strict=True),
                strict=True,
            )
        )
        connection.register("given", pa.table({name: list(column) for name, column in columns.items()}))
        connection.execute("insert into customer_order_lines select * from given")
    connection.execute("create table cancellations (order_id varchar, cancelled_at timestamp)")
    if cancelled:
        connection.executemany("insert into cancellations values (?, ?)", list(cancelled.items()))
    complete(connection)
    return connection


def complete(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables that follow from order lines and cancellations: orders, and a catalogue of all that was sold.

    The record that ordered is called as the person was when the line came.
    """
    connection.execute("alter table customer_order_lines add column if not exists record_id varchar")
    connection.execute("update customer_order_lines set record_id = customer_id where record_id is null")
    connection.execute(
        "create or replace table customer_orders as"
        " select order_id, customer_id, 'shop' as source, any_value(record_id) as record_id,"
        " min(ordered_at) as ordered_at, max(cancelled_at) as cancelled_at,"
        " case when count(cancelled.order_id) > 0 then 'cancelled' else 'completed' end as status"
        " from customer_order_lines left join (select order_id, cancelled_at from cancellations) as cancelled"
        " using (order_id) group by order_id, customer_id"
    )
    connection.execute("alter table customer_order_lines add column if not exists is_cancelled boolean")
    connection.execute(
        "update customer_order_lines set is_cancelled = order_id in (select order_id from cancellations)"
    )
    connection.execute(
        "create table if not exists products as"
        " select distinct product_id, true as is_in_catalogue from customer_order_lines"
    )


def look(connection: duckdb.DuckDBPyConnection, as_of: datetime, **variables: Any) -> None:
    """Build the models up to the candidates as of a moment."""
    look_from(connection, as_of)
    for name in STEPS:
        kind = "view" if name in VIEWS else "table"
        connection.execute(f"create or replace {kind} {name} as {model_sql(name, **variables)}")


def look_from(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Set the clock."""
    connection.execute("create or replace table int_customers__as_of as select ?::timestamp as as_of", [as_of])


def judge(connection: duckdb.DuckDBPyConnection) -> Fit:
    """Learn and judge, from what `look` built."""
    return next_products.fit(*_learned(connection))


def recommend(connection: duckdb.DuckDBPyConnection, fit: Fit) -> None:
    """Build `next_products` from what `look` built and `judge` found."""
    connection.register("fitted", fit.rows())
    connection.execute(
        "create or replace table int_predictions__next_products_fit as"
        f" select *, '{next_products.CODE}' as code, now()::timestamp as changed_at from fitted"
    )
    for name in FOLLOWERS:
        connection.execute(f"create or replace table {name} as {model_sql(name)}")


def go_on(connection: duckdb.DuckDBPyConnection, as_of: datetime, **variables: Any) -> None:
    """One more run on what `look` and `recommend` built, as dbt does it."""
    look_from(connection, as_of)
    for name in STEPS:
        if name not in VIEWS:
            _increment(connection, name, **variables)
    moments, *rest = _learned(connection)
    held = connection.table("int_predictions__next_products_fit").to_arrow_table()
    if not next_products.holds(held, moments):
        connection.register("fitted", next_products.kept(moments, *rest))
        connection.execute("create or replace table int_predictions__next_products_fit as select * from fitted")
    for name in FOLLOWERS:
        _increment(connection, name, **variables)


def _increment(connection: duckdb.DuckDBPyConnection, name: str, **variables: Any) -> None:
    sql, settings, afterwards = increment_sql(name, **variables)
    connection.execute(f"create or replace temp table new_rows as {sql}")
    if settings["incremental_strategy"] == "merge":
        key = settings["unique_key"]
        connection.execute(f"delete from {name} where {key} in (select {key} from new_rows)")
    connection.execute(f"insert into {name} by name from new_rows")
    connection.execute(afterwards or "select 1")


def _learned(connection: duckdb.DuckDBPyConnection) -> list[pa.Table]:
    def rows(table: str, condition: str = "true") -> pa.Table:
        return connection.table(table).filter(condition).to_arrow_table()

    return [
        rows("int_predictions__basket_moments"),
        rows("int_predictions__next_baskets"),
        rows("int_predictions__next_product_candidates"),
        rows("int_predictions__popular_products", "cut_number = 1"),
        rows("int_predictions__purchases", "cut_number = 1"),
    ]
