"""Extraction: the promises of docs/sources.md, on real files."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extract_house import (
    TARGETS,
    House,
    current,
    everything,
    house,
    house_of_target,
    loads,
    quarantined,
    query,
    user,
    users,
)

from kinship.settings import ROOT, settings
from orchestration.extract import ExtractError, extract, sources
from orchestration.extract.columns import column_name

new_house = pytest.fixture(house_of_target, name="house", params=TARGETS)
duckdb_house = pytest.fixture(house, name="duckdb_house")


def test_all_tables_exist_after_the_first_extraction_even_without_any_file(house: House) -> None:
    for name, source in sources().items():
        result = extract(name)
        assert result.rows == dict.fromkeys(source.tables, 0)
        columns = dict(
            query(
                "select table_name, list(column_name) from information_schema.columns "
                f"where table_schema = 'raw_{name}' group by all"
            )
        )
        assert {"quarantine", "extracted_files"} <= columns.keys()
        for table in source.tables.values():
            assert set(table.columns) <= set(columns[table.name]), table.name


def test_the_declarations_cover_the_fields_of_the_contract() -> None:
    """docs/sources.md promises these fields to staging; a column that is not declared exists only if a file has it."""
    contract = (ROOT / "docs" / "sources.md").read_text()
    for name, source in sources().items():
        for table in source.tables.values():
            [row] = re.findall(rf"^\| `raw_{name}\.{table.name}`.*\|.*\| (.*) \|$", contract, re.MULTILINE)
            required = set(re.findall(r"\*\*(\w+)\*\*", row))
            outer = re.sub(r"\(with [^)]*\)|\([^()]*\)", "", re.sub(r"Events: .*", "", row))
            while re.search(r"[{\[][^{}\[\]]*[}\]]", outer):
                outer = re.sub(r"[{\[][^{}\[\]]*[}\]]", "", outer)
            outer = re.sub(r"\bor null\b|-> \w+|=.*?(?=,|$)", "", outer)
            fields = set(re.findall(r"\w+", outer))
            assert required == set(table.required), table.name
            assert fields == set(table.keys), table.name


def test_every_format_arrives_as_text(house: House) -> None:
    house.write("zendesk/users/a.jsonl", user(1, name="Ана", tags=["x", {"y": "ก"}], nested={"n": 1.50}, none=None))
    house.write("zendesk/users/deep/b.ndjson.gz", user(2, name='say "hi"'))
    house.write("zendesk/users-2026.csv", 'id,updated_at,name\n3,2026-01-01,"a, ""b""\nc"\n4,2026-01-01,\n')
    house.write("zendesk/users/d.csv.gz", "id;updated_at;name\n5;2026-01-01;x\n")
    table = pa.table(
        {
            "id": pa.array([6], pa.int32()),
            "updated_at": pa.array([1767225600_000000], pa.timestamp("us", tz="UTC")),
            "name": ["y"],
            "tags": [[{"y": "ก"}]],
        }
    )
    pq.write_table(table, house.path("zendesk/users/e.parquet"))
    result = extract("zendesk")
    assert result.rows["users"] == 6 and not result.quarantined and not result.ignored
    assert current("zendesk", "users", "id", "updated_at", "name") == [
        ("1", "2026-01-01T10:00:00Z", "Ана"),
        ("2", "2026-01-01T10:00:00Z", 'say "hi"'),
        ("3", "2026-01-01", 'a, "b"\nc'),
        ("4", "2026-01-01", None),
        ("5", "2026-01-01", "x"),
        ("6", "2026-01-01 00:00:00+00", "y"),
    ]
    tags = dict(current("zendesk", "users", "id", "tags"))
    assert json.loads(tags["1"]) == ["x", {"y": "ก"}] and json.loads(tags["6"]) == [{"y": "ก"}]
    [(nested,)] = query("select nested from raw_zendesk.users where id = '1'")
    assert json.loads(nested) == {"n": 1.5}
    types = query("select distinct data_type from information_schema.columns where table_name = 'users'")
    assert types == [("VARCHAR",)]


def test_a_second_run_adds_nothing_and_opens_no_load(house: House) -> None:
    house.write("zendesk/users/a.jsonl", users(range(10)) + "broken\n")
    first = extract("zendesk")
    assert first.rows["users"] == 10 and first.quarantined == {"users": {"the line is not JSON": 1}}
    before = everything("zendesk")
    count = loads("zendesk")
    again = extract("zendesk")
    assert again.rows["users"] == 0 and not again.quarantined and again.files == 0 and not again.load_ids
    assert everything("zendesk") == before
    assert loads("zendesk") == count


def test_a_key_that_appears_half_way_adds_a_column(house: House) -> None:
    """A sample of the first lines would miss it: the one record stands after 30,000 without it."""
    house.write("zendesk/users/a.jsonl", users(range(30_000)) + user("x", lateKey="here"))
    extract("zendesk")
    assert query("select id from raw_zendesk.users where late_key = 'here'") == [("x",)]
    house.write("zendesk/users/b.jsonl", user("y", laterKey={"a": 1}))
    extract("zendesk")
    assert query("select later_key, count(*) from raw_zendesk.users group by all order by all") == [
        ('{"a":1}', 1),
        (None, 30_001),
    ]


def test_spellings_of_one_key_share_a_column_and_lose_nothing(house: House) -> None:
    house.write("zendesk/users/a.jsonl", user(1, displayName="a") + user(2, display_name="b"))
    house.write(
        "zendesk/users/b.jsonl",
        user(3, displayName="c", display_name="d") + user(4, Name="e") + user(5, Name="f", name="g"),
    )
    extract("zendesk")
    assert current("zendesk", "users", "id", "display_name") == [
        ("1", "a"),
        ("2", "b"),
        ("3", "c"),
        ("4", None),
        ("5", None),
    ]
    assert dict(current("zendesk", "users", "id", "name")) == {"1": None, "2": None, "3": None, "4": "e", "5": "g"}
    stored = {value for row in query("select * from raw_zendesk.users") for value in row}
    assert {"a", "b", "c", "d", "e", "f", "g"} <= stored


def test_keys_in_other_scripts_have_columns_of_their_own(house: House) -> None:
    house.write(
        "zendesk/users/a.jsonl",
        user(1, **{"фирма": "x", "ชื่อ": "y", "_file_id": "mine", "": "z", "a'b": "q", "c/\0": "r"}),
    )
    extract("zendesk")
    columns = [column_name(key) for key in ("фирма", "ชื่อ", "_file_id", "", "a'b", "c/\0")]
    assert len(set(columns)) == 6 and "_file_id" not in columns
    assert query(f"select {', '.join(columns)} from raw_zendesk.users") == [("x", "y", "mine", "z", "q", "r")]


def test_switching_the_location_switches_the_records_and_back_without_reading(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("zendesk/users/a.jsonl", users([1, 2]))
    house.write("other/users.jsonl", users([3]) + "broken\n")
    extract("zendesk")
    monkeypatch.setenv("KINSHIP_ZENDESK_PATH", str(house.sources / "other"))
    assert extract("zendesk").rows["users"] == 1
    assert current("zendesk", "users", "id", "_file") == [("3", "users.jsonl")]
    assert quarantined("zendesk") == [("users.jsonl", 2, "the line is not JSON")]
    monkeypatch.delenv("KINSHIP_ZENDESK_PATH")
    back = extract("zendesk")
    assert (back.rows["users"], back.files) == (0, 0)
    assert current("zendesk", "users", "id") == [("1",), ("2",)] and quarantined("zendesk") == []
    assert query("select count(*) from raw_zendesk.users") == [(3,)]
    assert not extract("zendesk").load_ids


def test_a_single_file_may_be_a_source(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    path = house.write("exports/[june] *.csv", "date,campaign,cost\n2026-06-01,x,1.50\n")
    house.write("exports/j.csv", "date,campaign,cost\n2026-06-01,other,1.50\n")
    monkeypatch.setenv("KINSHIP_ADS_PATH", str(path))
    assert extract("ads").rows == {"campaign_costs": 1}
    assert current("ads", "campaign_costs", "date", "campaign", "cost", "_file") == [
        ("2026-06-01", "x", "1.50", "[june] *.csv")
    ]


def test_files_that_no_table_takes_are_named(house: House) -> None:
    house.write("zendesk/users/a.jsonl", users([1]))
    house.write("zendesk/users/notes.xlsx", "x")
    house.write("zendesk/mystery.jsonl", users([2]))
    house.write("zendesk/comments_users.jsonl", json.dumps({"id": 1, "created_at": "2026-01-01"}))
    result = extract("zendesk")
    assert {ignored.file for ignored in result.ignored} == {"users/notes.xlsx", "mystery.jsonl"}
    assert (result.rows["users"], result.rows["comments"]) == (1, 1)


def test_a_path_that_does_not_exist_is_an_error_only_if_it_was_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing to extract" in extract("zendesk").notes[0]
    monkeypatch.setenv("KINSHIP_ZENDESK_PATH", str(house.sources / "typo"))
    with pytest.raises(
        ExtractError, match=rf"KINSHIP_ZENDESK_PATH points to {house.sources}/typo, which does not exist"
    ):
        extract("zendesk")


def test_a_source_nobody_knows_is_told_the_known_ones() -> None:
    with pytest.raises(LookupError, match="there is no source 'sap'; the sources are vtiger, shopify"):
        extract("sap")


def test_a_held_warehouse_names_its_holder(duckdb_house: House) -> None:
    duckdb_house.write("zendesk/users/a.jsonl", users([1]))
    extract("zendesk")
    code = (
        f"import duckdb, sys; held = duckdb.connect({str(settings().warehouse)!r}); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(ExtractError, match=rf"is held by process {holder.pid}: DuckDB lets one process write"):
            extract("zendesk")
        holder.communicate("")


def test_two_extractions_of_a_source_do_not_run_at_once(house: House) -> None:
    settings().dlt.mkdir(parents=True)
    with (settings().dlt / "zendesk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExtractError, match="another extraction of zendesk is running"):
            extract("zendesk")


def test_many_small_files_become_one_landing_file(house: House) -> None:
    """A job per file would cost half a second each."""
    for number in range(150):
        house.write(f"zendesk/users/{number:03}.jsonl", user(number))
    result = extract("zendesk")
    assert (result.files, result.rows["users"]) == (150, 150)
    files = dict(current("zendesk", "users", "id", "_file"))
    assert files == {str(number): f"users/{number:03}.jsonl" for number in range(150)}


def test_no_copy_is_left_nor_anything_written_to_the_home_folder(house: House, tmp_path: Path) -> None:
    house.write("zendesk/users/a.jsonl", users([1]) + "broken\n")
    home = tmp_path / "home"
    home.mkdir()
    code = "from orchestration.extract import extract; extract('zendesk')"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=True,
    )
    assert list(home.iterdir()) == []
    assert [path for path in (tmp_path / "landing").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "dlt").rglob("*.parquet")) == [], "dlt keeps no copy of what it loaded"
    target = "lake" if settings().target == "spark" else "warehouse.duckdb"
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "home", "landing", "dlt", "writing.lock", target}


def test_a_lost_pipeline_folder_or_warehouse_is_no_loss(house: House) -> None:
    """State lies in the warehouse alone: who restores an older copy gets the later files read again."""
    house.write("zendesk/users/a.jsonl", users([1, 2]))
    extract("zendesk")
    shutil.rmtree(settings().dlt)
    house.write("zendesk/users/b.jsonl", user(3, fresh="column"))
    assert extract("zendesk").rows["users"] == 1
    assert current("zendesk", "users", "id") == [("1",), ("2",), ("3",)]
    if settings().target == "spark":
        shutil.rmtree(settings().lake)
    else:
        settings().warehouse.unlink()
    assert extract("zendesk").rows["users"] == 3
    assert current("zendesk", "users", "id") == [("1",), ("2",), ("3",)]
