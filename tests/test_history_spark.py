"""The snapshot of people on Spark, by dbt as the product calls it: the second day, too."""

import json
import sys
from pathlib import Path

import pytest
from conftest import call, environment

pytest.importorskip("pyspark", reason="needs the Spark extra: make test-spark")
pytestmark = pytest.mark.spark

# one process, as each session takes its time to start
DAYS = """
import json, os
from dbt.cli.main import dbtRunner
from kinship.settings import settings
from kinship.spark.dbt import prepare
from kinship.spark.session import open_session

os.environ.update(settings().environment())
prepare()
session = open_session()
run = session.sql
texts = '''first_name last_name full_name email phone street postal_code country_code language company_name
    company_domain job_title age_band income_band lifecycle_stage'''.split()
answers = [f'has_{each}_consent' for each in
           ('email_marketing', 'sms_marketing', 'phone_marketing', 'analytics', 'advertising')]

def people(cities):
    columns = [f"if(hash(id, '{each}') % 3 = 0, null, concat('{each} ', id)) as {each}" for each in texts]
    columns += [f"hash(id, '{each}') % 2 = 0 as {each}" for each in answers]
    values = ', '.join(f"('{person}', '{city}')" for person, city in cities.items())
    run(f"create or replace table customers.customers using delta as select id as customer_id, city,"
        f" {', '.join(columns)}, cast(null as date) as birth_date from values {values} as people (id, city)")

def snapshot(moment):
    run("create or replace table customers.int_customers__as_of using delta as"
        f" select timestamp_ntz'{moment}' as as_of")
    done = dbtRunner().invoke(["snapshot", "--log-level-file", "none"])
    assert done.success, done.exception or [each.message for each in done.result.results]

run("create schema if not exists customers")
people({"ann": "Rome", "bob": "Bonn", "cho": "Kyoto"})
snapshot("2026-06-01")
people({"ann": "Turin", "cho": "Kyoto", "dee": "Cork"})
snapshot("2026-06-02")
found = run("select customer_id, city, cast(valid_from as string), cast(valid_to as string)"
            " from customers.customers_history order by 1, 3").collect()
print("HISTORY", json.dumps([list(row) for row in found]))
"""
FIRST, SECOND = "2026-06-01 00:00:00", "2026-06-02 00:00:00"


def test_the_history_of_two_days_is_kept(tmp_path: Path) -> None:
    own = {"DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_WRITE_JSON": "false"}
    env = environment(tmp_path / "data", KINSHIP_TARGET="spark", **own)
    done = call(Path(sys.executable), "-c", DAYS, env=env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("HISTORY ")]
    assert json.loads(said.removeprefix("HISTORY ")) == [
        ["ann", "Rome", FIRST, SECOND],
        ["ann", "Turin", SECOND, None],
        ["bob", "Bonn", FIRST, SECOND],
        ["cho", "Kyoto", FIRST, None],
        ["dee", "Cork", SECOND, None],
    ]
