"""Runs the SQL of next products as it stands, on tables of a DuckDB in memory, without a dbt run."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from macros import render_text

from kinship.predictions import next_products
from kinship.predictions.backtest import Fit

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models" / "predictions"
VARIABLES = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]

# in the order in which they read each other
STEPS = (
    "int_predictions__basket_moments",
    "int_predictions__basket_lines",
    "int_predictions__purchases",
    "int_predictions__product_pairs",
    "int_predictions__popular_products",
    "int_predictions__next_baskets",
    "int_predictions__related_products",
    "int_predictions__next_product_candidates",
)

# order, person, product, time
Line = tuple[str, str, str, datetime]


@cache
def model_sql(name: str, engine: str = "duckdb", **variables: Any) -> str:
    """The SQL of a model; tables are called by their bare names."""
    known = VARIABLES | variables
    text = (MODELS / f"{name}.sql").read_text()
    return render_text(text, engine, ref=lambda table: table, var=lambda key: known[key], config=lambda **_: "")


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
    """The tables that follow from order lines and cancellations: orders, and a catalogue of all that was sold."""
    connection.execute(
        "create or replace table customer_orders as"
        " select order_id, customer_id, min(ordered_at) as ordered_at, max(cancelled_at) as cancelled_at,"
        " case when count(cancelled.order_id) > 0 then 'cancelled' else 'completed' end as status"
        " from customer_order_lines left join (select order_id, cancelled_at from cancellations) as cancelled"
        " using (order_id) group by order_id, customer_id"
    )
    connection.execute(
        "create table if not exists products as"
        " select distinct product_id, true as is_in_catalogue from customer_order_lines"
    )


def look(connection: duckdb.DuckDBPyConnection, as_of: datetime, **variables: Any) -> None:
    """Build the models up to the candidates as of a moment."""
    connection.execute("create or replace table int_customers__as_of as select ?::timestamp as as_of", [as_of])
    for name in STEPS:
        connection.execute(f"create or replace table {name} as {model_sql(name, **variables)}")


def judge(connection: duckdb.DuckDBPyConnection) -> Fit:
    """Learn and judge, from what `look` built."""

    def rows(table: str, condition: str = "true") -> Any:
        return connection.table(table).filter(condition).to_arrow_table()

    return next_products.fit(
        rows("int_predictions__basket_moments"),
        rows("int_predictions__next_baskets"),
        rows("int_predictions__next_product_candidates", "cut_number > 0"),
        rows("int_predictions__popular_products", "cut_number = 1"),
        rows("int_predictions__purchases", "cut_number = 1"),
    )


def recommend(connection: duckdb.DuckDBPyConnection, fit: Fit) -> None:
    """Build `next_products` from the candidates and what `judge` found."""
    connection.register("fitted", fit.rows())
    connection.execute("create or replace table int_predictions__next_products_fit as select * from fitted")
    connection.execute(f"create or replace table next_products as {model_sql('next_products')}")
