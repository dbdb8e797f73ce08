"""The published copies: what is in them, who may do what with them, what becomes of the last one when things fail."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import KINSHIP, ROOT, call, environment
from published_house import Readers, copy_house, opened, rebuild, shown, sync_runs, tables, warehouse

from kinship.checks import Checks
from kinship.errors import KinshipError, StoppedByGuard, WrongUse
from kinship.published.operations import WAREHOUSE
from kinship.published.pruning import prune
from kinship.published.publication import RECORD, NothingPublished, Publication, current, write_record
from kinship.published.publishing import publish
from kinship.settings import settings


@pytest.fixture
def company(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published company, to look at, as the environment's."""
    monkeypatch.setenv("KINSHIP_DATA", str(published))
    return published


@pytest.fixture
def house(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the published company to publish from, as the environment's."""
    data = copy_house(published, tmp_path / "data")
    monkeypatch.setenv("KINSHIP_DATA", str(data))
    return data


@pytest.fixture
def manifest(published: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((published / "dbt" / "manifest" / "manifest.json").read_text())
    return loaded


def folders(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "published").iterdir() if path.name[0].isdigit())


def test_it_holds_the_output_tables_as_they_are_and_nothing_else(company: Path, manifest: dict[str, Any]) -> None:
    layers = ("identity", "customers", "predictions", "segments", "reporting")
    wanted = {
        (node["schema"], node["alias"])
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "snapshot")
        and node["schema"] in layers
        and not node["name"].startswith(("int_", "stg_"))
    }
    books = {("reverse_etl", name) for name in ("sync_plans", "sync_runs", "sync_results")}
    books |= {("operations", name) for name in (*WAREHOUSE, "syncs")}
    metrics = {("metrics", "metric_values"), ("metrics", "metrics")}
    index = {("search", "terms"), ("search", "stand_ins")}
    with opened(masked=True) as masked:
        assert set(tables(masked)) == wanted | books | metrics
    with opened(masked=False) as full, duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as built:
        assert set(tables(full)) == wanted | books | metrics | index
        assert full.execute("select count(*) from duckdb_views() where not internal").fetchone() == (0,)
        for schema, table in sorted(wanted):
            query = f'select count(*), bit_xor(hash(t)) from "{schema}"."{table}" as t'
            assert full.execute(query).fetchone() == built.execute(query).fetchone(), table
        rows = {
            f"{s}.{t}": full.execute(f'select count(*) from "{s}"."{t}"').fetchall()[0][0]
            for s, t in wanted | books | metrics
        }
        (as_of,) = built.execute("select as_of from customers.int_customers__as_of").fetchall()[0]
        times = full.execute(
            "select count(*) from duckdb_columns() where data_type like '%TIME ZONE%' and not internal"
        ).fetchall()
    assert shown().rows == rows
    assert shown().as_of == as_of.replace(tzinfo=UTC)
    assert shown().checks.passed > 300 and not shown().checks.failed
    assert times == [(0,)]


def test_a_run_publishes_what_its_own_syncs_did(company: Path) -> None:
    with opened(masked=True) as masked, duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as built:
        query = "select run_id, sync, status, added from reverse_etl.sync_runs order by all"
        assert masked.execute(query).fetchall() == built.execute(query).fetchall() != []


def test_who_has_a_customer_lies_beside_their_other_rows(company: Path) -> None:
    with opened(masked=False) as full:
        ids = [row[0] for row in full.execute("select customer_id from customers.customer_events").fetchall()]
    assert ids == sorted(ids)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "select * from glob('/*')",
        "attach '/tmp/other.duckdb'",
        "copy customers.customers to '/tmp/customers.csv'",
        "export database '/tmp/exported'",
        "create table customers.mine as select 1",
        "delete from customers.customers",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set memory_limit = '1GB'",
        "reset lock_configuration",
        "install httpfs",
        "load '/tmp/other.duckdb_extension'",
        "select * from duckdb_secrets()",
    ],
)
def test_a_reader_can_read_and_nothing_else(company: Path, statement: str, masked: bool) -> None:
    with opened(masked) as connection:
        with pytest.raises(duckdb.Error):
            connection.execute(statement).fetchall()
        assert connection.execute("select count(*) > 0 from customers.customers").fetchone() == (True,)


def test_older_clients_can_read_it(company: Path) -> None:
    """Tried with the clients 1.4.5 and 2.0.1: they read every row of every table, going by the version in the file."""
    for masked in (False, True):
        with opened(masked) as connection:
            (tags,) = connection.execute(
                "select tags from duckdb_databases() where not internal and database_name <> 'temp'"
            ).fetchall()[0]
        assert tags["storage_version"].startswith("v1.4.0"), tags


def test_the_types_are_those_that_other_tools_know(company: Path) -> None:
    """As docs/bi.md says: nothing nested but one column, no zones, decimals that fit into 64 bits."""
    with opened(masked=True) as masked:
        found = masked.execute(
            "select data_type, list(distinct concat_ws('.', schema_name, table_name, column_name))"
            " from duckdb_columns() where not internal group by data_type"
        ).fetchall()
    kinds: dict[str, list[str]] = dict(found)
    assert kinds.pop("VARCHAR[]") == ["operations.checks.failed"]
    decimals = {kind for kind in kinds if kind.startswith("DECIMAL(")}
    assert all(int(kind[8:].split(",")[0]) <= 18 for kind in decimals)
    assert set(kinds) - decimals <= {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}


def test_the_parameters_for_superset_let_it_read_and_nothing_else(company: Path) -> None:
    (told,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "bi.md").read_text(), re.S)
    masked = company / "published" / "current" / "masked.duckdb"
    with duckdb.connect(str(masked), **json.loads(told)["connect_args"]) as connection:
        assert connection.execute("select count(*) > 0 from reporting.rpt_revenue").fetchone() == (True,)
        for statement in (
            "select * from read_text('/etc/passwd')",
            "attach '/tmp/other.duckdb'",
            "delete from customers.customers",
            "set enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement).fetchall()


def test_only_the_owner_may_read_what_is_not_masked(company: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in shown().folder.iterdir()}
    assert modes["warehouse.duckdb"] == 0o600
    assert modes["masked.duckdb"] & 0o044 == 0o044
    assert (company / "published" / "mask.key").stat().st_mode & 0o777 == 0o600


def test_what_is_published_is_not_published_again(house: Path) -> None:
    before = (folders(house), (house / "published" / "current.json").read_bytes())
    assert publish(settings()).written == "nothing"
    assert (folders(house), (house / "published" / "current.json").read_bytes()) == before


def test_a_long_lived_reader_sees_the_next_one_and_reads_the_old_one_to_its_end(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(masked=True) as before:
        (count,) = before.execute("select count(*) from customers.products").fetchall()[0]
        old = shown()
        with warehouse() as connection:
            connection.execute(
                "delete from customers.products where product_id = (select min(product_id) from customers.products)"
            )
        rebuild("next")
        assert publish(settings()).written == "everything"
        assert shown().run != old.run
        with opened(masked=True) as after:
            assert after.execute("select count(*) from customers.products").fetchall()[0][0] == count - 1
        # the folder goes, who has it open reads on
        monkeypatch.setattr("kinship.published.pruning.GRACE", timedelta(0))
        prune(house / "published", shown(), keep=1)
        assert not old.folder.exists()
        assert before.execute("select count(*), count(distinct name) from customers.products").fetchall()[0][0] == count
    # as long as somebody has it open, DuckDB hands it out in the same process
    with pytest.raises(NothingPublished, match="is gone"), opened(True, old):
        pass
    link = house / "published" / "current"
    assert link.resolve() == shown().folder


def test_when_only_the_syncs_were_at_work_only_that_is_written(house: Path) -> None:
    before = shown()
    sync_runs("another")
    outcome = publish(settings())
    assert outcome.written == "syncs"
    now = shown()
    name = "reverse_etl.sync_runs"
    assert now.rows == before.rows | {name: before.rows[name] + 1}
    assert now.run != before.run and (now.as_of, now.built_at) == (before.as_of, before.built_at)
    for masked in (False, True):
        with opened(masked) as connection:
            assert connection.execute(f"select count(*) from {name} where run_id = 'another'").fetchone() == (1,)
        with opened(masked, before) as connection:
            assert connection.execute(f"select count(*) from {name} where run_id = 'another'").fetchone() == (0,)
    assert publish(settings()).written == "nothing"


def _unfinished() -> None:
    with warehouse() as connection:
        connection.execute("update operations.builds set finished_at = null")


def _forgotten() -> None:
    with warehouse() as connection:
        connection.execute("delete from operations.builds")


def _undescribed() -> None:
    with warehouse() as connection:
        connection.execute("alter table customers.products add column remark varchar")


def _personal() -> None:
    with warehouse() as connection:
        connection.execute(
            "update customers.products set name = 'ask ann.lee@mail.example' where product_id = (select"
            " min(product_id) from customers.products)"
        )


def _missing() -> None:
    with warehouse() as connection:
        connection.execute("drop table reporting.rpt_funnel")


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        (_unfinished, StoppedByGuard, "`kinship run` first"),
        (_forgotten, StoppedByGuard, "`kinship run` first"),
        (_undescribed, StoppedByGuard, "customers.products.remark"),
        (_personal, StoppedByGuard, "customers.products.name seems to hold an e-mail address"),
        (_missing, KinshipError, "reporting.rpt_funnel"),
    ],
)
def test_what_must_not_be_seen_is_not_published_and_the_last_good_one_stays(
    house: Path, harm: Any, error: type[KinshipError], says: str
) -> None:
    before, seen = shown(), folders(house)
    rebuild("next")
    harm()
    with pytest.raises(error, match=says) as raised:
        publish(settings())
    assert "ann.lee" not in str(raised.value)
    assert shown() == before
    assert folders(house) == seen, "nothing half done stays"
    with opened(masked=True) as connection:
        assert connection.execute("select count(*) > 0 from customers.customers").fetchone() == (True,)


def test_without_one_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(tmp_path))
    with pytest.raises(NothingPublished, match="`kinship run` publishes"):
        current(settings())
    done = call(KINSHIP, "publish", env=environment(tmp_path))
    assert done.returncode == 2 and "`kinship run`" in done.stderr


@pytest.mark.parametrize(
    "steps",
    [
        # while the masked file is written; before and after the pointer is switched
        pytest.param((3, 9, 10), id="three"),
        pytest.param(tuple(range(12)), id="all", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_moment_the_last_good_one_stays(house: Path, steps: tuple[int, ...]) -> None:
    """tests/publish_killed.py kills a publisher at each step, and looks, and lets the next one through."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("publish_killed.py")), *map(str, steps)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(steps)
    for moment in told:
        assert moment["killed"], moment
        assert moment["readable"], moment
        assert moment["seen"] == ("new" if moment["after_switch"] else "old"), moment
        assert moment["then"] is not False and not moment.get("left"), moment
    assert sum(moment["then"] is True for moment in told) >= 3


@pytest.mark.parametrize(
    "harms",
    [
        pytest.param((sync_runs,), id="syncs"),
        pytest.param((rebuild, sync_runs), id="everything", marks=pytest.mark.slow),
    ],
)
def test_publishers_wait_for_each_other_and_readers_for_nobody(house: Path, harms: tuple[Any, ...]) -> None:
    """Publishers two at a time, and readers in processes of their own that never see anything but a whole one."""
    env = environment(house)
    names = {shown().run}
    with Readers(env) as readers:
        for harm in harms:
            harm("meanwhile")  # a writer opens the warehouse while readers read
            publishers = [
                subprocess.Popen(
                    [KINSHIP, "publish"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                for _ in range(2)
            ]
            told = [publisher.communicate() for publisher in publishers]
            assert [publisher.returncode for publisher in publishers] == [0, 0], told
            assert sorted(out.startswith("nothing is new") for out, _ in told) == [False, True]
            names.add(shown().run)
        assert len(names) == 1 + len(harms)
        for one in readers.stop():
            assert shown().run in one["seen"] and set(one["seen"]) <= names


def test_a_reader_with_an_open_file_does_not_keep_a_run_from_writing(house: Path) -> None:
    with opened(masked=False) as full, opened(masked=True):
        rebuild("while it is read")
        assert publish(settings()).written == "everything"
        assert full.execute("select count(*) > 0 from customers.customers").fetchone() == (True,)


def test_parquet_holds_the_same_masked_or_full(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("masked", "full"):
        monkeypatch.setenv("KINSHIP_PUBLISHED_PARQUET", kind)
        assert publish(settings()).written == "everything"
        one = shown()
        files = {f"{path.parent.name}.{path.stem}": path for path in one.parquet.rglob("*.parquet")}
        assert {key: pq.read_metadata(path).num_rows for key, path in files.items()} == one.rows
        names = set(pq.read_table(files["customers.customers"])["full_name"].to_pylist()) - {None}
        assert (names == {"***"}) == (kind == "masked")
    sync_runs("later")
    before = one
    assert publish(settings()).written == "syncs"
    one = shown()
    assert (
        pq.read_metadata(one.parquet / "reverse_etl" / "sync_runs.parquet").num_rows
        == one.rows["reverse_etl.sync_runs"]
    )
    assert (
        pq.read_metadata(before.parquet / "reverse_etl" / "sync_runs.parquet").num_rows
        == before.rows["reverse_etl.sync_runs"]
    )
    monkeypatch.setenv("KINSHIP_PUBLISHED_PARQUET", "csv")
    with pytest.raises(WrongUse, match="KINSHIP_PUBLISHED_PARQUET"):
        publish(settings())


@pytest.fixture
def six(tmp_path: Path) -> Iterator[tuple[Path, list[Publication], datetime]]:
    """Six publications an hour apart, the last just now."""
    now = datetime(2026, 7, 1, tzinfo=UTC)
    made = []
    for hours in (5, 4, 3, 2, 1, 0):
        at = now - timedelta(hours=hours)
        folder = tmp_path / f"{at:%Y%m%dT%H%M%S%f}"
        folder.mkdir()
        one = Publication(
            run=folder.name, folder=folder, as_of=at, built_at=at, published_at=at, run_id="r", tables="t", syncs="s",
            rows={}, checks=Checks(),
        )  # fmt: skip
        write_record(one, folder / RECORD)
        made.append(one)
    yield tmp_path, made, now


@pytest.mark.parametrize(
    ("keep", "minutes", "kept"),
    [
        (3, 60, [3, 4, 5]),
        (1, 60, [5]),
        (1, 5, [4, 5]),  # the one before was current five minutes ago
        (9, 60, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_the_newest_stay_and_what_was_current_a_moment_ago(
    six: tuple[Path, list[Publication], datetime], keep: int, minutes: int, kept: list[int]
) -> None:
    folder, made, now = six
    (folder / "notes").mkdir()
    removed = prune(folder, made[-1], keep, now + timedelta(minutes=minutes))
    assert [i for i, one in enumerate(made) if one.folder.exists()] == kept
    assert sorted(removed) == [one.run for i, one in enumerate(made) if i not in kept]
    assert (folder / "notes").exists(), "what is not ours stays"


def test_how_many_stay_is_a_number(monkeypatch: pytest.MonkeyPatch, house: Path) -> None:
    monkeypatch.setenv("KINSHIP_PUBLISHED_KEEP", "none")
    with pytest.raises(WrongUse, match="KINSHIP_PUBLISHED_KEEP"):
        publish(settings())


def test_status_and_the_command_say_what_is_published(house: Path) -> None:
    done = call(KINSHIP, "publish", env=environment(house))
    assert done.returncode == 0 and done.stdout.startswith("nothing is new since what was published at"), done.stderr
    done = call(KINSHIP, "status", env=environment(house))
    assert f"{len(shown().rows)} tables as of {shown().as_of:%Y-%m-%d %H:%M} UTC" in done.stdout
    sync_runs("by hand")
    assert call(KINSHIP, "sync", env=environment(house)).returncode == 0
    with opened(masked=True) as connection:
        assert connection.execute("select count(*) from reverse_etl.sync_runs where run_id = 'by hand'").fetchone() == (
            1,
        )
