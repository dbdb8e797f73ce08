"""A warehouse of made-up tables on which the models of the metrics run as they stand."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml
from macros import render_text

from kinship.metrics.tables import write

ROOT = Path(__file__).parents[1]
VARS = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
FOLDER = {path.stem: path.parent.name for path in (ROOT / "models").glob("*/*.sql")}
TABLES = {
    "customers": (
        "customer_id varchar, email varchar, phone varchar, country_code varchar, lifecycle_stage varchar,"
        " acquisition_channel varchar, rfm_group varchar, expected_value_12_months_eur decimal(18, 2),"
        " churn_probability double, has_email_marketing_consent boolean, has_sms_marketing_consent boolean,"
        " has_phone_marketing_consent boolean, first_seen_at timestamp, first_order_at timestamp"
    ),
    "identity_graph": "source varchar, record_id varchar, customer_id varchar",
    "int_customers__orders": (
        "order_id varchar, source varchar, record_id varchar, channel varchar, status varchar,"
        " gross_amount_eur decimal(18, 2), discount_amount_eur decimal(18, 2), refunded_amount_eur decimal(18, 2),"
        " cancelled_amount_eur decimal(18, 2), net_amount_eur decimal(18, 2), ordered_at timestamp,"
        " cancelled_at timestamp"
    ),
    "int_customers__refunds": (
        "refund_id varchar, order_id varchar, source varchar, record_id varchar, channel varchar,"
        " amount_eur decimal(18, 2), refunded_at timestamp"
    ),
    "campaign_costs": "cost_date date, channel varchar, cost_eur decimal(18, 2)",
    "customer_carts": "cart_id varchar, customer_id varchar, outcome varchar, started_at timestamp",
}
BUILT = (
    "int_customers__money_movements",
    "int_customers__counted_orders",
    "int_metrics__sales",
    "int_metrics__days",
    "int_metrics__customer_days",
    "int_metrics__addresses",
    "int_metrics__carts",
)
Values = dict[tuple[str, date | None, str | None], float]


def relation(model: str) -> str:
    """Where a model's table lies."""
    return f"{FOLDER[model]}.{model}"


@cache
def model_sql(model: str, is_asked: bool, engine: str = "duckdb") -> str:
    """A model's SQL; `is_asked`: somebody asks for a moment by the variable `as_of`."""
    return render_text(
        (ROOT / "models" / FOLDER[model] / f"{model}.sql").read_text(),
        engine,
        ref=relation,
        var=lambda key: is_asked if key == "as_of" else VARS[key],
        config=lambda **_: "",
    )


class House:
    """A warehouse in memory that can be emptied and filled again."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; set threads = 1")
        self.connection.execute("attach ':memory:' as warehouse; attach ':memory:' as published; use warehouse")
        for schema in ("customers", "identity", "metrics"):
            self.connection.execute(f"create schema {schema}")

    def fill(self, as_of: datetime, tables: Mapping[str, Iterable[Mapping[str, Any]]], is_asked: bool = False) -> None:
        """Put these rows and no others into the tables, build the models and work out the metrics.

        `is_asked`: the as-of moment is one that somebody asks for, rather than that of the last activity.
        """
        self.connection.execute(
            "create or replace table customers.int_customers__as_of as select ?::timestamp as as_of", [as_of]
        )
        for name, columns in TABLES.items():
            self.connection.execute(f"create or replace table {relation(name)} ({columns})")
            for row in tables.get(name, []):
                marks = ", ".join("?" for _ in row)
                self.connection.execute(
                    f"insert into {relation(name)} ({', '.join(row)}) values ({marks})", list(row.values())
                )
        self.connection.execute(
            f"create or replace view customers.customer_orders as select orders.*, customer_id"
            f" from {relation('int_customers__orders')} as orders join {relation('identity_graph')}"
            " using (source, record_id)"
        )
        for model in BUILT:
            self.connection.execute(f"create or replace table {relation(model)} as {model_sql(model, is_asked)}")
        write(self.connection, "warehouse", "published")

    def values(self, metric: str, dimension: str | None = None) -> Values:
        """The metric's figures by grain, first day of the period and value of the dimension."""
        return read(self.connection, metric, dimension)

    def total(self, metric: str) -> float | None:
        return self.values(metric).get(("total", None, None))


def read(connection: duckdb.DuckDBPyConnection, metric: str, dimension: str | None = None) -> Values:
    """A metric's figures in the catalog `published`, by grain, first day of the period and value of the dimension."""
    rows = connection.execute(
        "select grain, period_start, dimension_value, metric_value from published.metrics.metric_values"
        " where metric_name = ? and dimension is not distinct from ?",
        [metric, dimension],
    ).fetchall()
    found = {(grain, period, value): figure for grain, period, value, figure in rows}
    assert len(found) == len(rows), "a figure is there twice"
    return found
