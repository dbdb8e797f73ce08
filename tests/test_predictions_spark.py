"""Features on Spark: the same SQL, rendered for it, gives the same rows; tables go through Python models and back."""

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from predictions_house import FEATURES, TABLES, house, look, model_sql
from test_predictions_publishing import NOW, mail, shop

from kinship.predictions import churn
from kinship.predictions.frames import give, take

pytest.importorskip("pyspark", reason="needs the Spark extra: make test-spark")
pytestmark = [
    pytest.mark.spark,
    # said when a DataFrame is made of an Arrow table, although pandas has no part in it
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


def test_spark_knows_what_duckdb_knows(spark: Any) -> None:
    tables = {
        "customer_orders": [*shop(40), ("late", "00001", "cancelled", None, NOW, NOW + timedelta(days=1))],
        "customer_refunds": [(f"r{n}", f"o{n * 3}", "00002", 5, NOW - timedelta(days=9 * n)) for n in range(40)],
        "customer_events": mail(20),
    }
    with house(tables) as connection:
        look(connection, NOW)
        for name in [*TABLES, "int_customers__as_of"]:
            spark.createDataFrame(connection.table(name).to_arrow_table()).createOrReplaceTempView(name)
        for name in FEATURES:
            frame = spark.sql(model_sql(name, "spark"))
            frame.createOrReplaceTempView(name)
            ours = connection.table(name).to_arrow_table()
            assert frame.columns == ours.column_names
            assert rows(take(frame)) == rows(ours), name


def test_a_table_comes_back_as_it_went(spark: Any) -> None:
    empty = churn.SCORES.empty_table()
    assert take(give(spark, empty)).schema.names == empty.schema.names
    full = pa.table([["ann"], pa.array([NOW.date()]), ["v1"], [0.25]], schema=churn.SCORES)
    assert take(give(spark, full)).to_pylist() == full.to_pylist()
