"""The Spark target without a cluster: what is missing is said, and two engines that differ are caught."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, call, environment

from kinship import spark
from kinship.errors import WrongUse


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda name: None if name == "pyspark" else object())
    with pytest.raises(WrongUse, match=r"pyspark not installed.*make spark"):
        spark.require()


def test_java_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda name: object())
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(WrongUse, match="Java 17"):
        spark.require()


def test_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    done = call(KINSHIP, "plan", env=environment(tmp_path, KINSHIP_TARGET="oracle"))
    assert done.returncode == 2
    assert "'oracle'; the targets are duckdb and spark" in done.stderr


@pytest.mark.spark
def test_the_comparison_sees_rows_types_and_tolerates_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    from kinship.spark.comparison import compare

    monkeypatch.setenv("KINSHIP_TARGET", "spark")
    monkeypatch.setenv("KINSHIP_LAKE", str(tmp_path / "lake"))
    warehouse = tmp_path / "warehouse.duckdb"
    tables = {
        "same": ("select 1 as a, 0.1 + 0.2 as b, 'x' as c", {"a": [1], "b": [Decimal("0.3")], "c": ["x"]}),
        "near": ("select 1 as a, 0.3::double as b", {"a": [1], "b": [0.1 + 0.2]}),
        "far": ("select 1 as a, 0.3::double as b", {"a": [1], "b": [0.300001]}),
        "other_row": ("select unnest(['x', 'x', 'y']) as c", {"c": ["x", "y", "y"]}),
        "other_type": ("select 1::bigint as a", {"a": [1]}),
        "written": (
            "select 1 as a, timestamp '2026-01-01 10:00' as changed_at",
            {"a": [1], "changed_at": [datetime(2026, 1, 1, 10, 5)]},
        ),
        "nulls": ("select null::integer as a, null::double as b", {"a": [None], "b": [None]}),
    }
    types = {"a": pa.int32(), "b": pa.float64(), "c": pa.string(), "changed_at": pa.timestamp("us")}
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema customers; create table customers.absent (a integer)")
        for name, (query, columns) in tables.items():
            connection.execute(f"create table customers.{name} as {query}")
            kinds = types | ({"b": pa.decimal128(3, 1)} if name == "same" else {})
            rows = pa.table({column: pa.array(values, kinds[column]) for column, values in columns.items()})
            write_deltalake(str(tmp_path / "lake" / "customers" / name), rows)
    found = {one.table.removeprefix("customers."): one for one in compare(warehouse)}
    assert {name for name, one in found.items() if one.is_same} == {"same", "near", "written", "nulls"}
    assert (found["far"].missing, found["far"].surplus) == (1, 1)
    assert (found["other_row"].missing, found["other_row"].surplus) == (1, 1)
    assert found["other_type"].types == ("a: BIGINT / INTEGER",)
