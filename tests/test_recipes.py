"""The recipes of CONTRIBUTING stay true: what each adds is counted, and one run carries all four."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, environment

CODE = ("kinship", "demo", "orchestration", "reverse_etl", "expectations", "models", "seeds", "dbt_project")
FILES = ("dbt_project.yml", "profiles.yml", "pyproject.toml")

SEGMENT = {
    "models/segments/cafe_guests.sql": """
        /*
        What:    people who signed the guest book.
        Owner:   cafe@example.com
        Purpose: marketing
        */
        select distinct customer_id from {{ ref('customer_events') }} where source = 'cafe'
    """
}
SYNC = {
    "models/activation/sync_register__guests.sql": """
        {{ config(meta={'sync': {'destination': 'register', 'object': 'guests', 'key': 'customer_key', 'mode': 'mirror',
            'purpose': 'marketing', 'channel': 'email', 'owner': 'cafe@example.com'}}) }}
        select customer_id, customer_id as customer_key from {{ ref('cafe_guests') }}
    """
}
DESTINATION = {
    "reverse_etl/destinations/register.py": '''
"""A guest register: one line per guest."""

from collections.abc import AsyncIterator

from reverse_etl.destination import Batch, CheckResult, Destination, Outcome


class Register(Destination):
    """Appends the keys to a file beside the warehouse."""

    async def check(self) -> CheckResult:
        return CheckResult("register", "ok", "a file")

    async def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        await self.target.meter.call()
        with (self.target.state / "register.txt").open("a") as file:
            file.writelines(f"{row.key}\\n" for row in batch.rows)
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        for row in batch.rows:
            yield Outcome(row.key, "accepted")
'''
}
SOURCE_FILE = {
    "orchestration/sources/cafe.py": '''
"""The cafe's guest book."""

from orchestration.extract import Records, Source, Stream

source = Source("cafe")


@source.table(required={"visit": "text", "visited_at": "timestamp"}, optional="email")
def visits(records: Records) -> Stream:
    """One row per visit."""
    return records.files()
'''
}
SOURCE_FOLDER = {
    "models/staging/cafe/_cafe__sources.yml": """
        {"version": 2, "sources": [{"name": "cafe", "schema": "raw_cafe",
         "tables": [{"name": "visits"}, {"name": "extracted_files"}, {"name": "quarantine"}]}]}
    """,
    "models/staging/cafe/stg_cafe__visits.sql": """
        select visit, 'visits:' || visit as record_id, email, cast(null as string) as country_code,
            {{ utc_timestamp('visited_at') }} as seen_from, {{ utc_timestamp('visited_at') }} as changed_at
        from {{ raw('cafe', 'visits') }} as visits
    """,
    "models/staging/cafe/stg_cafe__identifiers.sql": """
        with visits as (select * from {{ ref('stg_cafe__visits') }})
        {{ identifier_rows('cafe', {'visits': [['email', 'email']]}) }}
    """,
    "models/staging/cafe/stg_cafe__events.sql": """
        select {{ event_columns('cafe', {'event_id': 'visit', 'record_id': 'record_id', 'event_type': "'cafe_visited'",
            'channel': "'store'", 'occurred_at': 'changed_at', 'received_at': 'changed_at'}) }}
        from {{ ref('stg_cafe__visits') }}
    """,
}
LIST_OF_SOURCES = "\n  sources:\n"
SOURCE_LINE = "    cafe: [identifiers, events]"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the whole project that imports itself, with one of each recipe added."""
    copy = tmp_path_factory.mktemp("project")
    for name in CODE:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    for added in (SEGMENT, SYNC, DESTINATION, SOURCE_FILE, SOURCE_FOLDER):
        for path, text in added.items():
            (copy / path).parent.mkdir(exist_ok=True)
            (copy / path).write_text(text)
    configuration = (copy / "dbt_project.yml").read_text()
    (copy / "dbt_project.yml").write_text(configuration.replace(LIST_OF_SOURCES, f"{LIST_OF_SOURCES}{SOURCE_LINE}\n"))
    return copy


def test_each_recipe_adds_what_it_says() -> None:
    assert [len(added) for added in (SEGMENT, SYNC, DESTINATION, SOURCE_FILE)] == [1, 1, 1, 1]
    assert {Path(path).parent.as_posix() for path in SOURCE_FOLDER} == {"models/staging/cafe"}
    assert LIST_OF_SOURCES in (ROOT / "dbt_project.yml").read_text()
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    for promise in (
        "Add a segment: one file",
        "Add a sync: one file",
        "Add a destination: one file",
        "one file, one folder, one line",
    ):
        assert promise in contributing


@pytest.mark.slow
def test_one_run_carries_the_new_source_to_the_new_destination(project: Path, company: Path) -> None:
    warehouse = company / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        guests = connection.execute(
            "select email from customers.customers where has_email_marketing_consent and email is not null"
            " order by email limit 3"
        ).fetchall()
    visits = company / "sources" / "cafe" / "visits.jsonl"
    visits.parent.mkdir()
    visits.write_text(
        "".join(
            json.dumps({"visit": str(number), "email": email, "visited_at": "2026-06-20T10:00:00Z"}) + "\n"
            for number, (email,) in enumerate(guests)
        )
    )

    done = call(
        KINSHIP, "run", "--rebuild", "--accept-change", env=environment(company, PYTHONPATH=str(project)), cwd=project
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "cafe_guests" in done.stdout
    assert "sync_register__guests" in done.stdout
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        members = connection.execute("select customer_id from segments.cafe_guests").fetchall()
        sources = connection.execute(
            "select count(distinct source) from customers.customer_events"
            " where customer_id in (select customer_id from segments.cafe_guests)"
        ).fetchone()
    assert len(members) == 3
    assert sources is not None and sources[0] > 1, "a guest is joined to what other systems know of the person"
    delivered = (company / "register.txt").read_text().split()
    assert sorted(delivered) == sorted(member for (member,) in members)
