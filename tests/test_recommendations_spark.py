"""Next products on Spark: the same SQL, the same rows."""

from datetime import datetime
from typing import Any

import pytest
from recommendations_house import FOLLOWERS, STEPS, house, judge, look, model_sql, recommend
from test_recommendations import AS_OF, world

pytest.importorskip("pyspark", reason="needs the Spark extra: make test-spark")
pytestmark = pytest.mark.spark

# the clock, and hashes
ENGINES_OWN = {"changed_at", "fingerprint", "rules"}
GIVEN = ("customer_order_lines", "customer_orders", "products", "int_customers__as_of")


def plain(rows: Any) -> list[tuple[Any, ...]]:
    """Rows in an order of their own; numbers to 6 digits, times without zone."""
    values = (
        tuple(
            round(float(v), 6)
            if isinstance(v, int | float) and not isinstance(v, bool)
            else v.replace(tzinfo=None)
            if isinstance(v, datetime)
            else v
            for v in row
        )
        for row in rows
    )
    return sorted(values, key=str)


def test_spark_finds_the_same_products(spark: Any) -> None:
    with house(world(130, 1, of_a_kind=0.9, again=0.2)) as connection:
        look(connection, AS_OF)
        fit = judge(connection)
        recommend(connection, fit)
        for name in (*GIVEN, "int_predictions__next_products_fit"):
            spark.createDataFrame(connection.table(name).to_arrow_table()).createOrReplaceTempView(name)
        for name in (*STEPS, *FOLLOWERS):
            found = spark.sql(model_sql(name, "spark")).localCheckpoint()
            found.createOrReplaceTempView(name)
            columns = sorted(set(found.columns) - ENGINES_OWN)
            ours = connection.table(name).select(*columns).fetchall()
            theirs = plain(found.select(*columns).collect())
            assert len(theirs) == len(plain(ours)), name
            for here, there in zip(plain(ours), theirs, strict=True):
                # sums run in another order there: the last of six digits may differ, and is summed up again
                assert there == tuple(pytest.approx(v, abs=1e-5) if isinstance(v, float) else v for v in here), name
        assert connection.table("next_products").fetchall()
