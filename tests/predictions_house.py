"""Runs the models of models/predictions/ as they stand, on tables of a DuckDB in memory, without a dbt run."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from macros import render_text

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models" / "predictions"
VARIABLES = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]

# in the order in which they read each other
FEATURES = (
    "int_predictions__moments",
    "int_predictions__order_features",
    "int_predictions__order_outcomes",
    "int_predictions__activity_features",
    "int_predictions__campaign_features",
    "int_predictions__campaign_outcomes",
)

TABLES = {
    "customer_orders": "order_id varchar, customer_id varchar, status varchar, gross_amount_eur decimal(18, 2),"
    " ordered_at timestamp, cancelled_at timestamp",
    "customer_refunds": "refund_id varchar, order_id varchar, customer_id varchar, amount_eur decimal(18, 2),"
    " refunded_at timestamp",
    "customer_events": "event_id varchar, customer_id varchar, event_type varchar, channel varchar, campaign varchar,"
    " occurred_at timestamp, received_at timestamp",
}


@cache
def model_sql(name: str, engine: str = "duckdb", **variables: Any) -> str:
    """The SQL of a model; tables are called by their bare names."""
    known = VARIABLES | variables
    text = (MODELS / f"{name}.sql").read_text()
    return render_text(text, engine, ref=lambda table: table, var=lambda key: known[key], config=lambda **_: "")


def house(tables: dict[str, Iterable[tuple[Any, ...]]] | None = None) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with the tables that predictions read (`TABLES`), filled with these rows."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for name, columns in TABLES.items():
        connection.execute(f"create table {name} ({columns})")
        if rows := list((tables or {}).get(name, [])):
            filled = pa.table(
                [pa.array(column) for column in zip(*rows, strict=True)], [f"c{n}" for n in range(len(rows[0]))]
            )
            connection.register("filled", filled)
            connection.execute(f"insert into {name} from filled")
            connection.unregister("filled")
    return connection


def look(connection: duckdb.DuckDBPyConnection, as_of: datetime, **variables: Any) -> None:
    """Build the feature models as of a moment."""
    connection.execute("create or replace table int_customers__as_of as select ?::timestamp as as_of", [as_of])
    for name in FEATURES:
        connection.execute(f"create or replace table {name} as {model_sql(name, **variables)}")


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, model: str) -> pa.Table:
    """The rows that one model of predictions has in a table of them."""
    relation = connection.table(table)
    return (relation.filter(f"model = '{model}'") if "model" in relation.columns else relation).to_arrow_table()
