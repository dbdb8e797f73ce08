"""What is said of predictions when a run has ended, and what stops it."""

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from expectations import predictions
from kinship.predictions.backtest import Figure, Fit
from kinship.summary import Prediction, _predictions

DAY = date(2026, 1, 1)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema customers")
        connection.execute("create schema predictions")
        connection.execute("create table customers.customers as select unnest(['ann', 'bob']) as customer_id")
        connection.execute(
            "create table predictions.model_runs as from (values ('churn', 'v1', true), ('churn', 'v2', false),"
            " ('expected_value', 'v1', true), ('campaign_propensity', 'v1', true))"
            " as m (model, model_version, is_published)"
        )
        for table, columns in (
            ("churn", "churn_probability double"),
            ("campaign_propensity", "response_probability double"),
            (
                "expected_value",
                "expected_orders_12_months double, expected_order_value_eur decimal(18, 2),"
                " expected_value_12_months_eur decimal(18, 2)",
            ),
        ):
            connection.execute(
                f"create table predictions.{table} (customer_id varchar, model_version varchar, {columns})"
            )
        yield connection


def faults(warehouse: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, int, int]]:
    frame = predictions.measures(warehouse, {})
    return {
        row["asset"].removeprefix("predictions."): tuple(
            int(row[name]) for name in ("rows", "impossible", "strangers", "unpublished")
        )
        for row in frame.to_dict("records")
    }


def test_empty_tables_hold_nothing_wrong(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert set(faults(warehouse).values()) == {(0, 0, 0, 0)}
    assert {f"predictions.{table}" for table in faults(warehouse)} == set(predictions.TABLES)


def test_each_fault_is_counted(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(
        "insert into predictions.churn values ('ann', 'v1', 0.3), ('bob', 'v1', 1.1), ('bob', 'v1', null),"
        " ('bob', 'v1', 'nan'), ('cho', 'v1', 0), (null, 'v1', 1), ('ann', 'v2', 0.5)"
    )
    warehouse.execute(
        "insert into predictions.expected_value values"
        " ('ann', 'v1', 1, 2, 2), ('bob', 'v1', 1, -2, -2), ('ann', 'v3', 0, 0, 0)"
    )
    found = faults(warehouse)
    assert found["churn"] == (7, 3, 2, 1)
    assert found["expected_value"] == (3, 1, 0, 1)


def test_one_line_per_model(warehouse: duckdb.DuckDBPyConnection) -> None:
    for fit in (
        Fit("churn", DAY, True, "AUC 0.8", figures=[Figure("auc", 0.8)]),
        Fit("expected_value", DAY, False, "too few buyers"),
    ):
        warehouse.register("fit", fit.rows())
        warehouse.execute(f"create table predictions.int_predictions__{fit.model}_fit as from fit")
        warehouse.unregister("fit")
    assert _predictions(warehouse) == [
        Prediction("churn", True, "AUC 0.8"),
        Prediction("expected_value", False, "too few buyers"),
    ]
