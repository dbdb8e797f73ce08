"""Extraction into the lake: the same rows as in DuckDB, nothing of a load that did not complete."""

import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from extract_house import House, current, house, query, raw_tables, user, users

from demo.company import simulate
from kinship.settings import settings
from orchestration.extract import ExtractError, extract, run, sources

pytestmark = pytest.mark.spark


@pytest.fixture(name="house")
def new_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    result = house(tmp_path, monkeypatch)
    monkeypatch.setenv("KINSHIP_TARGET", "spark")
    return result


def delta(source: str, table: str) -> Any:
    from deltalake import DeltaTable

    return DeltaTable(f"{settings().lake}/raw_{source}/{table}")


def every_table() -> dict[str, tuple[list[tuple[str, str]], list[tuple[Any, ...]]]]:
    """Table -> its columns with their types, sorted, and its rows; dlt's own tables and columns left out."""
    result = {}
    with raw_tables() as connection:
        columns = connection.execute(
            "select table_schema || '.' || table_name, list((column_name, data_type) order by column_name) "
            "from information_schema.columns where not starts_with(table_name, '_dlt') "
            "and not starts_with(column_name, '_dlt') group by all"
        ).fetchall()
        for table, typed in columns:
            names = ", ".join(name for name, _ in typed)
            result[table] = (typed, sorted(connection.execute(f"select {names} from {table}").fetchall(), key=repr))
    return result


def at(moment: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return moment

    return Clock


def test_the_lake_has_the_same_tables_and_rows_as_the_warehouse(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight sources in all formats; then a file grows, one is replaced, one brings a new key and faults."""
    simulate(40, 20, 1, house.sources)
    house.write("zendesk/users/grows.jsonl", users(["g1"]))
    house.write("zendesk/users/replaced.jsonl", users(["old"]))
    found: dict[str, list[Any]] = {"duckdb": [], "spark": []}
    for day in (1, 2):
        monkeypatch.setattr(run, "datetime", at(datetime(2026, 1, day, 12, 30, 15, 123456, UTC)))
        for target, tables in found.items():
            monkeypatch.setenv("KINSHIP_TARGET", target)
            for source in sources():
                extract(source)
            tables.append(every_table())
        house.append("zendesk/users/grows.jsonl", user("g2", newKey={"a": 1}) + "broken\n")
        house.write("zendesk/users/replaced.jsonl", users(["new"]))
    for of_duckdb, of_lake in zip(*found.values(), strict=True):
        assert of_lake.keys() == of_duckdb.keys() and len(of_lake) > 30
        for table, content in of_duckdb.items():
            assert of_lake[table] == content, table
    assert sum(len(rows) for _, rows in found["spark"][1].values()) > 500


def test_the_ledger_names_the_load(house: House) -> None:
    house.write("zendesk/users/a.jsonl", users([1]))
    [load_id] = extract("zendesk").load_ids
    assert query("select _dlt_load_id from raw_zendesk.extracted_files") == [(load_id,)]


def test_any_reader_of_delta_tables_can_read_them(house: House) -> None:
    """No deletion vectors, no column mapping, no feature that asks for more than the first protocol."""
    house.write("zendesk/users/a.jsonl", users([1]) + "broken\n")
    extract("zendesk")
    house.write("zendesk/users/a.jsonl", users([2]))
    house.write("zendesk/users/b.jsonl", user(3, fresh="column"))
    extract("zendesk")
    for name in (*sources()["zendesk"].tables, "quarantine", "extracted_files"):
        protocol = delta("zendesk", name).protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2), name
    types = {field.name: field.type.type for field in delta("zendesk", "extracted_files").schema().fields}
    assert (types["extracted_at"], types["is_current"], types["rows"]) == ("timestamp", "boolean", "long")


def broken_off(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the work, and stop before its ledger is written."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    from orchestration.extract import lake

    with monkeypatch.context() as patch:
        patch.setattr(lake, "_enter", stop)
        with pytest.raises(KeyboardInterrupt):
            work()


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("note_is_lost", [False, True])
def test_rows_of_a_load_that_did_not_complete_are_swept(
    house: House, monkeypatch: pytest.MonkeyPatch, compacted: bool, note_is_lost: bool
) -> None:
    house.write("zendesk/users/a.jsonl", users([1, 2]) + "broken\n")
    extract("zendesk")
    house.write("zendesk/users/b.jsonl", users([3]) + "broken\n")
    broken_off(lambda: extract("zendesk"), monkeypatch)
    assert query("select count(*) from raw_zendesk.users") == [(3,)]
    if compacted:
        delta("zendesk", "users").optimize.compact()
    if note_is_lost:
        shutil.rmtree(settings().dlt)
        house.write("zendesk/users/b.jsonl", users([4]) + "broken\n")
    else:  # the file went away meanwhile: there is nothing to load, and yet something to sweep
        house.path("zendesk/users/b.jsonl").unlink()
    extract("zendesk")
    ids = [("1",), ("2",), ("4",)] if note_is_lost else [("1",), ("2",)]
    assert current("zendesk", "users", "id") == ids
    assert query("select count(*) from raw_zendesk.users") == [(len(ids),)]
    assert query("select count(*) from raw_zendesk.quarantine") == [(2 if note_is_lost else 1,)]


def test_the_first_load_may_be_the_one_that_did_not_complete(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write("zendesk/users/a.jsonl", users([1]))
    broken_off(lambda: extract("zendesk"), monkeypatch)
    assert extract("zendesk").rows["users"] == 1
    assert query("select id from raw_zendesk.users") == [("1",)]


def test_without_deltalake_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house(tmp_path, monkeypatch)
    monkeypatch.setenv("KINSHIP_TARGET", "spark")
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.delitem(sys.modules, "orchestration.extract.lake", raising=False)
    monkeypatch.delattr("orchestration.extract.lake", raising=False)
    with pytest.raises(ExtractError, match="deltalake is not installed: install the Spark extra: make spark"):
        extract("zendesk")
