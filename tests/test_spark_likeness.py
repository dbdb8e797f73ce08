"""Likeness on Spark: the same pairs, weights and words as on the driver, all at once and record by record."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from test_identity_matching import people

from kinship.identity import likeness

pytest.importorskip("pyspark", reason="needs the Spark extra: make test-spark")
pytestmark = [
    pytest.mark.spark,
    # said when a DataFrame is made of an Arrow table, although pandas has no part in it
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

TABLES = ("attributes", "nodes", "scored")


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, pa.Table]:
    """Attributes and nodes as the models of these names have them."""
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    records = people(150, columns=("given_name", "family_name", "birth_date", "email", "city"))[0]
    columns = ", ".join(records.column_names[1:])
    keyed = duckdb.sql(
        f"select 'crm' as source, 'c' || node_id as record_id, {columns}, md5(concat_ws('|', {columns}))"
        " as attributes_hash, timestamp '2026-01-01' as changed_at, node_id from records"
    ).to_arrow_table()
    return {
        "attributes": keyed.drop_columns(["node_id"]),
        "nodes": keyed.select(["node_id", "source", "record_id"]),
    }


def on_duckdb(tables: dict[str, pa.Table]) -> pa.Table:
    with duckdb.connect() as opened:
        for name, table in tables.items():
            opened.register(name, table)
        return likeness.compare(*(opened.table(name) if name in tables else None for name in TABLES))


def on_spark(spark: Any, tables: dict[str, pa.Table]) -> pa.Table:
    from kinship.spark.likeness import compare

    frames = (spark.createDataFrame(tables[name]) if name in tables else None for name in TABLES)
    return compare(*frames).toArrow()


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("at_once", [50_000, 60], ids=["one bucket", "several buckets"])
def test_spark_scores_what_duckdb_scores(
    spark: Any, company: dict[str, pa.Table], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinship.spark.likeness.AT_ONCE", at_once)
    some = {name: table.slice(0, 250) for name, table in company.items()}
    first = on_duckdb(some)
    assert first.num_rows > 300
    assert rows(on_spark(spark, some)) == rows(first)
    later = company | {"scored": first}
    second = on_duckdb(later)
    assert second.num_rows > company["nodes"].num_rows - 250
    assert set(second["scored_in"].to_pylist()) == {2}
    assert rows(on_spark(spark, later)) == rows(second)
    assert on_spark(spark, company | {"scored": pa.concat_tables([first, second])}).num_rows == 0
