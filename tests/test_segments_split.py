"""Who gets what in an experiment: the shares asked for, independent of other experiments, the same on every day."""

import hashlib
import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from macros import render

IDS = 40_000
CHI_SQUARE_1_IN_A_MILLION = 23.93  # one degree of freedom


def refuse(message: str) -> None:
    raise ValueError(message)


def sql(call: str, **context: Any) -> str:
    return render(
        call,
        model={"original_file_path": "models/segments/trial.sql"},
        modules=SimpleNamespace(re=re),
        exceptions=SimpleNamespace(raise_compiler_error=refuse),
        ref=lambda name: name,
        **context,
    )


@pytest.fixture(scope="module")
def people() -> duckdb.DuckDBPyConnection:
    """Ids as they are issued: hashes."""
    connection = duckdb.connect()
    connection.execute(f"create table people as select md5(i::varchar) as customer_id from range({IDS}) as t (i)")
    return connection


def drawn(people: duckdb.DuckDBPyConnection, expression: str) -> list[Any]:
    rows = people.execute(f"select {expression} from people order by customer_id").fetchall()
    return [value for (value,) in rows]


def chi_square(left: list[bool], right: list[bool]) -> float:
    """Pearson's statistic of a 2 x 2 table: how far two choices are from having nothing to do with each other."""
    total, ours, theirs = len(left), sum(left), sum(right)
    statistic = 0.0
    for one in (True, False):
        for other in (True, False):
            observed = sum(pair == (one, other) for pair in zip(left, right, strict=True))
            expected = (ours if one else total - ours) * (theirs if other else total - theirs) / total
            statistic += (observed - expected) ** 2 / expected
    return statistic


def test_arms_are_the_slices_of_the_hash(people: duckdb.DuckDBPyConnection) -> None:
    arms = drawn(people, sql("split('winback', a=45, b=12.5, c=30)"))
    ids = drawn(people, "customer_id")

    def expected(customer_id: str) -> str | None:
        place = int(hashlib.md5(f"split:winback:{customer_id}".encode()).hexdigest()[:8], 16) / 2**32
        return "a" if place < 0.45 else "b" if place < 0.575 else "c" if place < 0.875 else None

    assert arms == [expected(customer_id) for customer_id in ids]
    for arm, share in (("a", 0.45), ("b", 0.125), ("c", 0.3), (None, 0.125)):
        deviation = (share * (1 - share) / IDS) ** 0.5
        assert abs(arms.count(arm) / IDS - share) < 5 * deviation


def test_all_of_100_percent_have_an_arm(people: duckdb.DuckDBPyConnection) -> None:
    arms = drawn(people, sql("split('x', a=33.3, b=33.3, c=33.4)"))
    assert None not in arms
    assert drawn(people, sql("split('x', all=100)")) == ["all"] * IDS
    assert drawn(people, sql("holdout('x', percent=100)")) == [True] * IDS


def test_experiments_have_nothing_to_do_with_each_other(people: duckdb.DuckDBPyConnection) -> None:
    choices = [
        *(
            [arm == "a" for arm in drawn(people, sql(f"split('{name}', a=50, b=50)"))]
            for name in ("x", "x2", "winback")
        ),
        *(drawn(people, sql(f"holdout('{name}', percent=10)")) for name in ("x", "winback")),
    ]
    assert [sum(choice) for choice in choices[3:]] == [pytest.approx(IDS / 10, abs=5 * (0.09 * IDS) ** 0.5)] * 2
    for left in range(len(choices)):
        for right in range(left):
            assert chi_square(choices[left], choices[right]) < CHI_SQUARE_1_IN_A_MILLION, (left, right)
    assert chi_square(choices[0], choices[0]) > IDS / 2, "the test sees what is not independent"


def test_a_larger_share_keeps_those_who_were_in(people: duckdb.DuckDBPyConnection) -> None:
    waves = [
        {i for i, held in enumerate(drawn(people, sql(f"holdout('rollout', percent={percent})"))) if held}
        for percent in (1, 10, 50, 100)
    ]
    assert all(smaller < larger for smaller, larger in pairwise(waves))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("split('x', a=60, b=50)", "needs percentages above 0 that add up to 100 at most"),
        ("split('x', a=0, b=50)", "needs percentages above 0"),
        ("split('x', a='half')", "needs percentages above 0"),
        ("split('x')", "needs percentages above 0"),
        ("holdout('x', percent=101)", "needs percentages above 0"),
        ("split('two words', a=50)", "needs a name of small letters, digits and underscores"),
    ],
)
def test_shares_that_are_none_are_refused(call: str, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^models/segments/trial\.sql: (split|holdout)\('.*'\) {says}"):
        sql(call)


def test_who_was_in_two_arms_can_be_left_out(people: duckdb.DuckDBPyConnection) -> None:
    arm = sql("split('winback', a=50, b=50)")
    found = people.execute(f"select {arm} as arm, min(customer_id), max(customer_id) from people group by 1 order by 1")
    (_, a, a2), (_, b, b2) = found.fetchall()
    people.execute(
        "create or replace temp table identity_graph (source varchar, record_id varchar, customer_id varchar)"
    )
    people.execute(
        "create or replace temp table identity_assignments"
        " (source varchar, record_id varchar, customer_id varchar, assigned_in bigint)"
    )
    records = {
        # record: the ids it has had; the last is the one of today
        "merged": [a, b],
        "survivor": [b],
        "of one arm": [a2],
        "unmerged": [b2, a2, b2],
    }
    for record, ids in records.items():
        people.execute("insert into identity_graph values ('crm', ?, ?)", [record, ids[-1]])
        for batch, customer_id in enumerate(ids):
            people.execute("insert into identity_assignments values ('crm', ?, ?, ?)", [record, customer_id, batch])
    left_out = people.execute(sql("contaminated('winback', a=50, b=50)")).fetchall()
    assert sorted(left_out) == sorted([(b,), (b2,)])
