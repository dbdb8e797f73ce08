"""One file makes a segment; the folder holds it to its promise and keeps who entered and left."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from conftest import ROOT, call_dbt, dbt_target
from macros import render

from kinship.segments.header import header, headers

PROJECT = ("models", "seeds", "dbt_project", "dbt_project.yml", "profiles.yml")
HEADER = "/*\nWhat:    a trial.\nOwner:   trial@example.com\nPurpose: marketing\n*/\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project to add files to."""
    copy = tmp_path_factory.mktemp("project")
    for name in PROJECT:
        origin = ROOT / name
        (shutil.copytree if origin.is_dir() else shutil.copy)(origin, copy / name)
    return copy


def build(project: Path, company: Path, introduction: str = HEADER, **segments: str) -> str:
    """Build the given segments, and their books, as the only ones added to the project."""
    folder = project / "models" / "segments"
    for old in folder.glob("trial*.sql"):
        old.unlink()
    for name, sql in segments.items():
        (folder / f"{name}.sql").write_text(introduction + sql)
    books = ("path:models/segments/memberships", "path:models/reporting/rpt_segment_sizes.sql")
    return call_dbt("build", "--select", *books, *segments, data=company, cwd=project).stdout


def look_from(company: Path, moment: str) -> None:
    with duckdb.connect(str(company / "warehouse.duckdb")) as connection:
        connection.execute("update customers.int_customers__as_of set as_of = ?", [moment])


def look_up(company: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def stays(company: Path) -> list[tuple[object, ...]]:
    """(customer, entered on, left on) of each stay in a trial segment, in order."""
    return look_up(
        company,
        "select customer_id, strftime(entered_at, '%d'), strftime(left_at, '%d')"
        " from segments.segment_memberships where segment like 'trial%' order by all",
    )


def sizes(company: Path) -> list[tuple[object, ...]]:
    """(day, previous, entered, left, merged, members) of each build of the segment `trial`."""
    return look_up(
        company,
        "select strftime(as_of, '%d'), previous_member_count, entered_count, left_count, merged_count, member_count"
        " from reporting.rpt_segment_sizes where segment = 'trial' order by as_of",
    )


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
    assert sizes(company) == [("01", 0, 2, 0, 0, 2), ("02", 2, 1, 0, 0, 3), ("03", 3, 0, 2, 0, 1)]

    look_from(company, "2026-07-04")
    build(project, company)
    assert [left for _, _, left in stays(company)] == ["04", "03", "03"], "a removed file ends its memberships"


def test_a_merge_is_no_exit_and_an_unmerge_no_entry(project: Path, company: Path) -> None:
    (keeps,), (goes,) = look_up(company, "select customer_id from customers.customers order by customer_id limit 2")

    def redirect(goes_to: object) -> None:
        with duckdb.connect(str(company / "warehouse.duckdb")) as connection:
            connection.execute(
                "update identity.identity_redirects set current_customer_id = ?, is_current = ? where customer_id = ?",
                [goes_to, goes_to == goes, goes],
            )

    only_goes = f"select customer_id from {{{{ ref('customers') }}}} where customer_id = '{goes}'"
    only_keeps = f"select customer_id from {{{{ ref('customers') }}}} where customer_id = '{keeps}'"
    look_from(company, "2026-07-01")
    build(project, company, trial=only_goes)
    look_from(company, "2026-07-02")
    build(project, company, trial=first_customers(2))
    assert stays(company) == [(keeps, "02", None), (goes, "01", None)]

    look_from(company, "2026-07-03")
    redirect(keeps)
    build(project, company, trial=only_keeps)
    assert stays(company) == [(keeps, "01", None)], "in since the earlier of both"
    assert sizes(company)[-1] == ("03", 2, 0, 0, 1, 1), "nobody went: two turned out to be one"

    look_from(company, "2026-07-04")
    redirect(goes)
    build(project, company, trial=first_customers(2))
    assert stays(company) == [(keeps, "02", None), (goes, "01", None)], "each has its own back"
    assert sizes(company)[-1] == ("04", 1, 0, 0, -1, 2)


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


@pytest.mark.parametrize(
    ("introduction", "asks_for"),
    [
        (HEADER, []),
        (HEADER.replace("*/", "Largest change: .5\n*/"), []),
        ("", ["What", "Owner", "Purpose"]),
        ("-- What: a comment of another kind.\n" + HEADER, ["What", "Owner", "Purpose"]),
        (HEADER.replace("a trial.", ""), ["What"]),
        (HEADER.replace("trial@example.com", "me"), ["Owner"]),
        (HEADER.replace("marketing", "gossip"), ["Purpose"]),
        (HEADER.replace("*/", "Largest change: half\n*/"), ["Largest change"]),
    ],
)
def test_a_header_says_what_it_must(introduction: str, asks_for: list[str]) -> None:
    faults: list[str] = []
    render(
        "check_segment_header()",
        model={
            "fqn": ["kinship", "segments", "trial"],
            "raw_code": f"{introduction}select 1 as customer_id",
            "original_file_path": "models/segments/trial.sql",
        },
        modules=SimpleNamespace(re=re),
        var=lambda name: {"consent_purposes": ["marketing", "analytics"]}[name],
        exceptions=SimpleNamespace(raise_compiler_error=faults.append),
    )
    output = "".join(faults)
    assert not output or output.startswith("models/segments/trial.sql: a segment begins with a comment")
    assert [name for name in ("What", "Owner", "Purpose", "Largest change") if f"`{name}:` and" in output] == asks_for


def test_a_segment_without_a_header_stops_the_parse(project: Path, company: Path) -> None:
    output = build(project, company, introduction="", trial=first_customers(1))
    assert "models/segments/trial.sql: a segment begins with a comment /* ... */ that says what it is" in output


def test_python_reads_what_dbt_checks() -> None:
    told = header(
        {
            "name": "trial",
            "original_file_path": "models/segments/trial.sql",
            "raw_code": HEADER.replace("a trial.", "a trial\n         of two lines: here").replace(
                "*/", "Largest change: 0.5\n*/"
            ),
        }
    )
    assert (told.what, told.owner, told.purpose) == ("a trial of two lines: here", "trial@example.com", "marketing")
    assert told.largest_change == 0.5


def test_a_table_says_what_the_headers_say(project: Path, company: Path) -> None:
    introduction = HEADER.replace("a trial.", "a trial of O'Neill's\n    in two lines: 1 \\ 2.")
    build(project, company, introduction, trial=first_customers(1))
    call_dbt("build", "--select", "rpt_segments", data=company, cwd=project, DBT_WRITE_JSON="true")
    found = look_up(company, "select segment, what, owner, purpose from reporting.rpt_segments order by segment")
    told = headers(json.loads((dbt_target() / "manifest.json").read_text()))
    assert found == [(one.name, one.what, one.owner, one.purpose) for one in told]
    assert ("trial", "a trial of O'Neill's in two lines: 1 \\ 2.", "trial@example.com", "marketing") in found
    syncs = dict(look_up(company, "select segment, syncs from reporting.rpt_segments"))
    # the one reads the segment itself, the other all memberships
    assert syncs["cart_abandoned_4_hours"] == "sync_file__cart_abandoned, sync_vtiger__contacts"
    assert syncs["trial"] == "sync_vtiger__contacts"


def test_what_was_told_before_there_were_stays_is_taken_over(project: Path, company: Path) -> None:
    with duckdb.connect(str(company / "warehouse.duckdb")) as connection:
        connection.execute("create temp table told as from segments.segment_memberships")
        told = connection.execute("from told order by all").fetchall()
        connection.execute("drop view segments.segment_memberships; drop table segments.int_segments__stays")
        connection.execute("create table segments.segment_memberships as from told")
    build(project, company)
    kept = look_up(company, "select * from segments.int_segments__stays order by all")
    assert kept == told
    assert kept
