"""On Spark the tables lie in a lake: what is published of it is what is published of a DuckDB warehouse."""

from pathlib import Path

import duckdb
import pytest
from published_house import copy_house, opened, rebuild, shown

from kinship.lake import reach, show
from kinship.published.publishing import publish
from kinship.settings import settings


def to_lake(data: Path, lake: Path) -> None:
    """Make the warehouse what Spark leaves: Delta tables, and a file of views over them with the run's own books."""
    from deltalake import write_deltalake

    with duckdb.connect(str(data / "warehouse.duckdb")) as built, duckdb.connect(str(data / "lake.duckdb")) as books:
        built.execute("set TimeZone = 'UTC'")
        reach(books)
        for schema, table in built.execute(
            "select table_schema, table_name from information_schema.tables where table_schema not like '%staging%'"
        ).fetchall():
            rows = built.execute(f'from "{schema}"."{table}"').to_arrow_table()
            if schema in ("operations", "reverse_etl"):
                books.execute(f'create schema if not exists "{schema}"')
                books.execute(f'create table "{schema}"."{table}" as from rows')
            elif not schema.startswith("raw_") or table in ("extracted_files", "quarantine"):
                write_deltalake(str(lake / schema / table), rows)
        show(books)
    (data / "warehouse.duckdb").unlink()


@pytest.mark.spark
def test_what_is_published_of_a_lake_is_the_same(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copy_house(published, tmp_path / "data")
    for name, value in {"DATA": data, "TARGET": "spark", "LAKE": tmp_path / "lake"}.items():
        monkeypatch.setenv(f"KINSHIP_{name}", str(value))
    to_lake(data, tmp_path / "lake")
    before = shown()
    rebuild("on Spark")
    assert publish(settings()).written == "everything"
    after = shown()
    assert after.run != before.run and after.rows == before.rows and after.checks == before.checks
    for masked in (False, True):
        with opened(masked, before) as old, opened(masked, after) as new:
            for key in before.rows:
                describe, digest = f"describe {key}", f"select bit_xor(hash(t)) from {key} as t"
                assert new.execute(describe).fetchall() == old.execute(describe).fetchall(), key
                assert new.execute(digest).fetchall() == old.execute(digest).fetchall(), key
