"""Who was in a segment when, over any course of builds, merges and unmerges: SQL beside a plain account of the days."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import render, render_text

from kinship.settings import ROOT

IDS = "abc"
WHO_IS_WHO = [
    [0, 1, 2],
    [0, 0, 2],
    [0, 1, 1],
    [0, 1, 0],
    [0, 0, 0],
]  # the place of each id's person
FIRST = datetime(2026, 1, 1)
HEADER = "/*\nWhat: a trial.\nOwner: a@example.com\nPurpose: marketing\n*/"
OVERLAPS = (ROOT / "dbt_project" / "tests" / "segment_stays_do_not_overlap.sql").read_text()

Day = tuple[list[int], list[set[str]]]  # each id's person, by the place of the person's id; the members of each build


def sql(call: str) -> str:
    return render(
        call,
        model={"name": "trial", "fqn": ["kinship", "segments", "trial"], "raw_code": HEADER},
        modules=SimpleNamespace(re=re),
        ref=lambda name: name,
        this="members",
    )


BUILD = [sql(hook) for hook in ("keep_stays()", "count_members()")]
MEMBERSHIPS = sql("person_stays()")


@st.composite
def days(draw: st.DrawFn) -> list[Day]:
    """A few days: who is who on each, and who is in by each build of the day."""
    course = []
    for _ in range(draw(st.integers(3, 6))):
        person = draw(st.sampled_from(WHO_IS_WHO))
        is_in = st.lists(st.booleans(), min_size=len(IDS), max_size=len(IDS))
        drawn = draw(st.lists(is_in, min_size=1, max_size=2))
        people = set(person)
        course.append((person, [{IDS[place] for place in people if one[place]} for one in drawn]))
    return course


def accounted(course: list[Day]) -> set[tuple[str, datetime, datetime | None]]:
    """The memberships as a ledger of ids would have them: an id is in while its person is, from when it came in."""
    inside: set[str] = set()
    covered: list[set[str]] = []
    for person, builds in course:
        of_today = set(inside)
        for members in builds:
            inside = {one for one in of_today if IDS[person[IDS.index(one)]] in members}
            inside |= members - {IDS[person[IDS.index(one)]] for one in inside}
            of_today |= inside
        covered.append(inside)
    today = course[-1][0]
    stays = set()
    for who in IDS:
        in_on = [any(IDS[today[IDS.index(one)]] == who for one in day) for day in covered]
        for day, is_in in enumerate(in_on):
            if is_in and not (day and in_on[day - 1]):
                end = next((later for later in range(day, len(in_on)) if not in_on[later]), None)
                stays.add((who, FIRST + timedelta(days=day), FIRST + timedelta(days=end) if end is not None else None))
    return stays


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create table int_customers__as_of as select null::timestamp as as_of")
    connection.execute("create table members (customer_id varchar)")
    connection.execute("create table identity_redirects (customer_id varchar, current_customer_id varchar)")
    connection.execute("create table customers (customer_id varchar, email varchar, phone varchar)")
    connection.execute(
        "create table customer_consents (customer_id varchar, purpose varchar, channel varchar, status varchar)"
    )
    for model in ("int_segments__stays", "int_segments__counts"):
        text = (ROOT / "models" / "segments" / "memberships" / f"{model}.sql").read_text()
        query = render_text(
            text, config=lambda **_: "", target=SimpleNamespace(type="duckdb"),
            dbt=SimpleNamespace(type_string=lambda: "varchar"), execute=False, is_incremental=lambda: True,
        )  # fmt: skip
        connection.execute(f"create table {model} as {query}")


def build(connection: duckdb.DuckDBPyConnection, day: int, person: list[int], members: set[str]) -> None:
    connection.execute("update int_customers__as_of set as_of = ?", [FIRST + timedelta(days=day)])
    connection.execute("delete from identity_redirects; delete from customers; delete from members")
    connection.execute(
        "insert into identity_redirects select unnest(?), unnest(?)", [list(IDS), [IDS[place] for place in person]]
    )
    connection.execute("insert into customers select distinct current_customer_id, null, null from identity_redirects")
    connection.execute("insert into members select unnest(?::varchar[])", [sorted(members)])
    for hook in BUILD:
        connection.execute(hook)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        prepare(connection)
        yield connection


@given(course=days())
@settings(max_examples=30, deadline=None)
def test_memberships_are_what_an_account_of_the_days_says(
    warehouse: duckdb.DuckDBPyConnection, course: list[Day]
) -> None:
    warehouse.execute("delete from int_segments__stays; delete from int_segments__counts")
    previous = 0
    for day, (person, builds) in enumerate(course):
        for members in builds:
            build(warehouse, day, person, members)
        now = sorted(warehouse.execute(MEMBERSHIPS).fetchall(), key=str)
        assert {one for _, one, _, left in now if left is None} == builds[-1]

        build(warehouse, day, person, builds[-1])
        assert sorted(warehouse.execute(MEMBERSHIPS).fetchall(), key=str) == now, "built again, nothing changes"

        told = warehouse.execute(
            "select member_count, entered_count, left_count from int_segments__counts where as_of = ?",
            [FIRST + timedelta(days=day)],
        ).fetchone()
        assert told is not None and told[0] == len(builds[-1])
        if person == course[max(day - 1, 0)][0]:
            assert previous + told[1] - told[2] == told[0], "without a merge the sizes add up"
        previous = told[0]

    found = {(who, entered, left) for _, who, entered, left in warehouse.execute(MEMBERSHIPS).fetchall()}
    assert found == accounted(course)
    assert warehouse.execute("select count(*) from int_segments__counts").fetchone() == (len(course),)
    overlaps = OVERLAPS.replace("{{ ref('segment_memberships') }}", f"({MEMBERSHIPS})")
    assert warehouse.execute(overlaps).fetchall() == []


def test_the_account_knows_a_merge_from_an_exit() -> None:
    apart, together = list(range(len(IDS))), [0] * len(IDS)
    course: list[Day] = [(apart, [{"b"}]), (together, [{"a"}])]
    assert accounted(course) == {("a", FIRST, None)}
    assert accounted([*course, (apart, [{"b"}])]) == {("b", FIRST, None)}
