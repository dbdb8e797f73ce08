"""A lake in a bucket: extraction writes it, DuckDB reads it, Spark builds in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, call, environment
from extract_house import House, house, user
from servers.s3 import Bucket, bucket

from kinship.errors import KinshipError, WrongUse
from kinship.warehouse import connect
from orchestration.extract import extract

pytestmark = pytest.mark.spark
KINSHIP_DBT = ROOT / ".venv" / "bin" / "kinship-dbt"


def aws(store: Bucket) -> dict[str, str]:
    return {
        "KINSHIP_TARGET": "spark",
        "KINSHIP_LAKE": f"s3://{store.name}/some/lake",
        "AWS_ACCESS_KEY_ID": store.key,
        "AWS_SECRET_ACCESS_KEY": store.secret,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
    }


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket() as made:
        for name, value in aws(made).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture(name="house")
def new_house(tmp_path: Path, store: Bucket, monkeypatch: pytest.MonkeyPatch) -> House:
    made = house(tmp_path, monkeypatch)
    for name, value in aws(store).items():
        monkeypatch.setenv(name, value)
    return made


def count(table: str) -> int:
    with connect(read_only=False) as warehouse:
        row = warehouse.execute(f"select count(*) from {table}").fetchone()
    assert row
    return int(row[0])


def test_what_extraction_writes_duckdb_reads_and_maintenance_compacts(house: House, store: Bucket) -> None:
    from datetime import timedelta

    from kinship.spark.maintenance import maintain

    for number in range(18):
        house.write(f"zendesk/users/{number:02}.jsonl", user(number, name="O'Brien"))
        extract("zendesk")
    assert count("raw_zendesk.users where name = 'O''Brien'") == 18
    done = {one.table: one for one in maintain(timedelta(0))}["raw_zendesk.users"]
    assert (done.before, done.after) == (18, 1) and done.deleted >= 18
    files = [name for name in store.files() if name.startswith("some/lake/raw_zendesk/users/part-")]
    assert len(files) == 1
    assert count("raw_zendesk.users") == 18
    assert [one for one in maintain(timedelta(0)) if one.deleted] == []


def test_a_key_that_is_missing_or_wrong_is_said_and_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write("zendesk/users/a.jsonl", user(1))
    extract("zendesk")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(KinshipError, match=r"the lake s3://.* cannot be read .*AWS_SECRET_ACCESS_KEY") as told:
        count("raw_zendesk.users")
    assert "not-the-secret" not in str(told.value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WrongUse, match=r"needs AWS_SECRET_ACCESS_KEY$"):
        count("raw_zendesk.users")


@pytest.mark.slow
def test_spark_builds_and_increments_in_it(house: House, store: Bucket, tmp_path: Path) -> None:
    from kinship.spark import jars

    if not all(path.exists() for path in (jars.FOLDER / name for name in jars.wanted(s3=True))):
        pytest.skip("Hadoop's client for S3 is not installed (make spark-s3)")

    def build() -> None:
        extract("segment")
        done = call(KINSHIP_DBT, "run", "-s", "stg_segment__messages", env=environment(tmp_path, **aws(store)))
        assert done.returncode == 0, done.stdout

    def message(number: int) -> str:
        return (
            f'{{"messageId": "m{number}", "type": "track", "event": "Product Viewed", "anonymousId": "a{number}",'
            f' "timestamp": "2026-01-01T10:00:0{number}Z"}}\n'
        )

    house.write("segment/1.jsonl", message(1) + message(2))
    build()
    assert count("staging.stg_segment__messages") == 2
    house.write("segment/2.jsonl", message(2) + message(3))  # one twice, one new
    build()
    assert count("staging.stg_segment__messages") == 3
