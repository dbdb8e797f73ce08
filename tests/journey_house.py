"""Runs the models of the customer journey as they stand, on tables of a DuckDB in memory, without a dbt run."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import yaml
from macros import render_text

from kinship.attribution import removal_effects

ROOT = Path(__file__).parents[1]
VARS = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
TABLES = {
    "int_customers__first_contacts": "customer_id varchar, first_seen_at timestamp, identified_at timestamp",
    "customer_orders": (
        "order_id varchar, customer_id varchar, source varchar, channel varchar, status varchar,"
        " net_amount_eur decimal(18, 2), ordered_at timestamp, cancelled_at timestamp"
    ),
    "customer_refunds": "customer_id varchar, order_id varchar, amount_eur decimal(18, 2), refunded_at timestamp",
    "customer_touchpoints": (
        "touchpoint_id varchar, customer_id varchar, channel varchar, campaign varchar, is_own boolean,"
        " touched_at timestamp"
    ),
    "customer_events": "event_id varchar, customer_id varchar, event_type varchar, occurred_at timestamp",
}
ATTRIBUTION = (
    "int_customers__journey_changes",
    "int_customers__order_touches",
    "int_customers__channel_transitions",
    "int_customers__channel_effects",
    "int_customers__touch_weights",
    "int_customers__rule_attributions",
    "int_customers__data_driven_attributions",
    "order_attributions",
)


@cache
def model_sql(name: str, engine: str = "duckdb") -> str:
    """The SQL of a model of models/customers/; tables are called by their bare names."""
    return render_text(
        (ROOT / "models" / "customers" / f"{name}.sql").read_text(),
        engine,
        ref=lambda table: table,
        var=lambda key: VARS[key],
        dbt=SimpleNamespace(type_string=lambda: "string"),
        config=lambda **_: "",
        target=SimpleNamespace(type=engine),
        is_incremental=lambda: False,
    )


class House:
    """A warehouse in memory that can be emptied and filled again."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'")
        self.connection.execute(f"create table rfm_groups as from '{ROOT / 'seeds' / 'rfm_groups.csv'}'")

    def fill(self, as_of: datetime, **tables: Iterable[tuple[Any, ...]]) -> None:
        """Put these rows, in the order of the columns of `TABLES`, and no others into the tables."""
        self.connection.execute("create or replace table int_customers__as_of as select ?::timestamp as as_of", [as_of])
        for name, columns in TABLES.items():
            self.connection.execute(f"create or replace table {name} ({columns})")
            if rows := list(tables.get(name, [])):
                marks = ", ".join("?" for _ in rows[0])
                self.connection.executemany(f"insert into {name} values ({marks})", rows)

    def build(self, *models: str) -> None:
        for name in models:
            if name == "int_customers__channel_effects":
                transitions = self.connection.sql("from int_customers__channel_transitions").to_arrow_table()
                effects = removal_effects(transitions)
                self.connection.register("effects", effects)
                self.connection.execute(f"create or replace table {name} as from effects")
            else:
                self.connection.execute(f"create or replace table {name} as {model_sql(name)}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()
