"""One file makes a segment; the folder holds it to its promise and keeps who entered and left."""

import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import DBT, ROOT, call, environment

PROJECT = ("models", "seeds", "dbt_project", "dbt_project.yml", "profiles.yml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project to add files to."""
    copy = tmp_path_factory.mktemp("project")
    for name in PROJECT:
        origin = ROOT / name
        (shutil.copytree if origin.is_dir() else shutil.copy)(origin, copy / name)
    return copy


def build(project: Path, company: Path, **segments: str) -> str:
    """Build the given segments, and the memberships before them, as the only ones added to the project."""
    folder = project / "models" / "segments"
    for old in folder.glob("trial*.sql"):
        old.unlink()
    for name, sql in segments.items():
        (folder / f"{name}.sql").write_text(sql)
    return call(
        DBT, "build", "--select", "segment_memberships", *segments, env=environment(company), cwd=project
    ).stdout


def look_from(company: Path, moment: str) -> None:
    with duckdb.connect(str(company / "warehouse.duckdb")) as connection:
        connection.execute("update customers.int_customers__as_of set as_of = ?", [moment])


def stays(company: Path) -> list[tuple[str, str, str | None]]:
    """(customer, entered on, left on) of each stay in a trial segment, in order."""
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select customer_id, strftime(entered_at, '%d'), strftime(left_at, '%d')"
            " from segments.segment_memberships where segment like 'trial%' order by all"
        ).fetchall()


def first_customers(count: int) -> str:
    return f"select customer_id from {{{{ ref('customers') }}}} order by customer_id limit {count}"


def test_members_enter_and_leave_at_the_moment_looked_from(project: Path, company: Path) -> None:
    look_from(company, "2026-07-01")
    build(project, company, trial=first_customers(2))
    look_from(company, "2026-07-02")
    build(project, company, trial=first_customers(3))
    both = stays(company)
    assert [(entered, left) for _, entered, left in both] == [("01", None), ("01", None), ("02", None)]

    build(project, company, trial=first_customers(3))
    assert stays(company) == both, "building again changes nothing"

    look_from(company, "2026-07-03")
    build(project, company, trial=first_customers(1))
    assert [(entered, left) for _, entered, left in stays(company)] == [("01", None), ("01", "03"), ("02", "03")]

    look_from(company, "2026-07-04")
    build(project, company)
    assert [left for _, _, left in stays(company)] == ["04", "03", "03"], "a removed file ends its memberships"


def test_a_segment_that_is_no_set_of_customers_is_refused(project: Path, company: Path) -> None:
    output = build(
        project,
        company,
        trial_extra=f"select customer_id, 1 as extra from ({first_customers(1)})",
        trial_null="select cast(null as varchar) as customer_id",
        trial_twin=f"select * from ({first_customers(1)}) union all select * from ({first_customers(1)})",
        trial_stranger="select 'nobody' as customer_id",
    )
    for complaint in (
        "trial_extra.sql: a segment returns one column, customer_id; this one returns customer_id, extra",
        "trial_null.sql: a segment is a set of customers; found 1 rows without customer_id",
        "trial_twin.sql: a segment is a set of customers; found 0 rows without customer_id, 1 repeated rows",
        "0 repeated rows and 1 ids that are not in customers",
    ):
        assert complaint in output
    assert stays(company) == []
