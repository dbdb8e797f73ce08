"""Table maintenance of the lake: fewer and only needed files, the same rows, for delta-rs, Spark and DuckDB."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import KINSHIP, call, environment
from extract_house import House, current, house, query, user
from test_extract_lake import broken_off

from kinship.errors import KinshipError
from kinship.settings import settings
from orchestration.extract import extract

pytestmark = pytest.mark.spark
NOW = timedelta(0)


@pytest.fixture(name="house")
def new_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    result = house(tmp_path, monkeypatch)
    monkeypatch.setenv("KINSHIP_TARGET", "spark")
    return result


def data_files(schema: str, table: str) -> list[Path]:
    return sorted(Path(settings().lake, schema, table).glob("*.parquet"))


def load_often(house: House, loads: int) -> None:
    for number in range(loads):
        house.write(f"zendesk/users/{number:02}.jsonl", user(number) + "broken\n")
        extract("zendesk")


def test_small_files_become_one_and_nothing_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinship.spark.maintenance import maintain

    load_often(house, 20)
    house.write("zendesk/users/98.jsonl", user(98))
    broken_off(lambda: extract("zendesk"), monkeypatch)  # its row is compacted with the others, and swept all the same
    rows = query("select * exclude (_file_id) from raw_zendesk.users order by id")
    done = {one.table: one for one in maintain(NOW)}
    users = done["raw_zendesk.users"]
    assert (users.before, users.after) == (21, 1) and users.deleted >= 21
    assert len(data_files("raw_zendesk", "users")) == 1
    assert query("select * exclude (_file_id) from raw_zendesk.users order by id") == rows
    assert [one for one in maintain(NOW) if one.before != one.after or one.deleted] == []
    house.path("zendesk/users/98.jsonl").unlink()
    house.write("zendesk/users/99.jsonl", user(99))
    extract("zendesk")
    assert current("zendesk", "users", "id") == sorted([(str(n),) for n in [*range(20), 99]])
    assert query("select count(*) from raw_zendesk.users") == [(21,)]
    assert query("select count(*) from raw_zendesk.quarantine") == [(20,)]


def test_a_week_is_kept(house: House) -> None:
    from deltalake import DeltaTable

    from kinship.spark.maintenance import maintain

    load_often(house, 18)
    version = DeltaTable(f"{settings().lake}/raw_zendesk/users").version()
    assert {one.deleted for one in maintain()} == {0}
    old = DeltaTable(f"{settings().lake}/raw_zendesk/users", version=version)
    assert old.to_pyarrow_table().num_rows == 18  # who began to read before goes on
    stray = Path(settings().lake, "raw_zendesk", "users", "part-of-a-killed-writer.parquet")
    stray.write_bytes(b"half")
    list(maintain())
    assert stray.exists()
    week_ago = time.time() - 8 * 86_400
    os.utime(stray, (week_ago, week_ago))
    assert sum(one.deleted for one in maintain()) == 1
    assert not stray.exists()


MERGED = """
from pathlib import Path
from datetime import timedelta
from kinship.settings import settings
from kinship.spark import maintenance
from kinship.spark.session import open_session

place = Path(settings().lake, "customers", "people")
spark = open_session()
spark.sql(f"create table delta.`{place}` using delta as select id, 'x' as word from range(1000)")

def merge():
    for number in range(3):
        spark.sql(f'''
            merge into delta.`{place}` as old
            using (select {number} * 7 as id, 'y' as word union all select 5000 + {number}, 'new') as new
            on old.id = new.id
            when matched then update set word = new.word
            when not matched then insert *
        ''')

def rows():
    return spark.sql(f"select * from delta.`{place}` order by id").collect()

merge()
before = rows()
maintenance.SMALL_FILES = 1
[done] = maintenance.maintain(timedelta(0))
assert done.deleted >= 3 and done.after == 1 == len(list(place.glob("*.parquet"))), done
assert rows() == before
merge()
assert rows() == before and len(before) == 1003
"""


def test_what_spark_merges_stays_what_it_is(tmp_path: Path) -> None:
    done = call(sys.executable, "-c", MERGED, env=environment(tmp_path, KINSHIP_TARGET="spark"))
    assert done.returncode == 0, done.stderr


def test_it_is_a_job_that_the_command_runs(house: House, tmp_path: Path) -> None:
    load_often(house, 18)
    done = call(KINSHIP, "maintain", env=environment(tmp_path, KINSHIP_TARGET="spark"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ maintenance" in done.stdout
    assert query("select count(*) from raw_zendesk.users") == [(18,)]


def test_a_table_that_cannot_be_read_is_named(house: House) -> None:
    from kinship.spark.maintenance import maintain

    load_often(house, 1)
    for entry in Path(settings().lake, "raw_zendesk", "users", "_delta_log").glob("*.json"):
        entry.write_text("{'o'brien@example.com'")
    with pytest.raises(KinshipError, match=r"raw_zendesk\.users in the lake cannot be maintained") as told:
        list(maintain())
    assert "brien" not in str(told.value)


def test_duckdb_needs_none(tmp_path: Path) -> None:
    done = call(KINSHIP, "maintain", env=environment(tmp_path))
    assert done.returncode == 2 and "KINSHIP_TARGET=spark" in done.stderr
