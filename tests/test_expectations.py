"""The expectations find what they are for, and print counts only."""

from pathlib import Path

import duckdb
import pytest

from expectations import customers, segments, suites
from kinship import builds
from kinship.builds import CheckResult


@pytest.fixture
def warehouse(company: Path, monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    monkeypatch.setenv("KINSHIP_DATA", str(company))
    return duckdb.connect(str(company / "warehouse.duckdb"))


def evaluate(warehouse: duckdb.DuckDBPyConnection, gate: list[suites.Suite]) -> dict[str, CheckResult]:
    results = suites.run(warehouse, gate, builds.baseline(warehouse), "test")
    return {f"{result.asset} {result.name}": result for result in results}


def test_customers(warehouse: duckdb.DuckDBPyConnection, company: Path) -> None:
    sound = evaluate(warehouse, customers.SUITES)
    assert all(result.passed or result.severity == "warning" for result in sound.values()), sound

    warehouse.execute("insert into customers.customers select * from customers.customers limit 3")
    warehouse.execute("update customers.customers set email = 'jane at example' where email is not null")
    warehouse.execute("delete from customers.customer_events where hash(event_id) % 4 > 0")
    warehouse.execute("update customers.customer_orders set customer_id = 'nobody' where hash(order_id) % 2 = 0")
    broken = evaluate(warehouse, customers.SUITES)
    assert broken["customers.customers customers"].failed == ("every row has a key of its own",)
    assert broken["customers.customers customers"].severity == "error"
    assert "customer_id is unique (6 not)" in broken["customers.customers profiles"].failed
    assert any(says.startswith("e-mail addresses look") for says in broken["customers.customers profiles"].failed)
    assert broken["customers.customer_orders customers"].failed == ("every row belongs to a customer",)
    assert broken["customers.customer_events customers"].failed == (
        "at least 50% of the rows of the last good build are still there",
    )

    # what failed is written to Data Docs and to the store as counts: no value of a person's row
    written = [path for path in company.rglob("*") if path.suffix in (".html", ".json") and path.is_file()]
    written = [path for path in written if {"data_docs", "great_expectations"} & set(path.relative_to(company).parts)]
    assert written
    assert not [path.name for path in written if "jane at example" in path.read_text()]
    page = "".join(path.read_text() for path in written if path.suffix == ".html")
    assert "customer_id is unique" in page or "unique" in page


def test_a_change_can_be_accepted(warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse.execute("delete from customers.customer_events where hash(event_id) % 4 > 0")
    monkeypatch.setenv("KINSHIP_ACCEPT_CHANGE", "1")
    assert evaluate(warehouse, customers.SUITES)["customers.customer_events customers"].passed


def test_segments(warehouse: duckdb.DuckDBPyConnection) -> None:
    everyone = "create or replace table segments.loyal_customers as select customer_id from customers.customers"
    warehouse.execute(everyone)
    warehouse.execute("insert into segments.engaged_not_bought values ('a stranger')")
    found = evaluate(warehouse, segments.SUITES)
    assert found["segments.loyal_customers segments"].failed[0] == "at most 90% of all customers are in it"
    assert found["segments.engaged_not_bought segments"].failed == ("every member is a customer",)
    assert {found[f"segments.{name} segments"].severity for name in ("loyal_customers", "engaged_not_bought")} == {
        "error"
    }


@pytest.mark.parametrize(
    ("before", "after", "allowed", "stops"),
    [
        (None, 10_000, None, False),  # new
        (100, 20, None, False),
        (100, 19, None, True),
        (49, 0, None, False),  # too small to say
        (50, 0, None, True),
        (100, 400, None, False),
        (100, 401, None, True),
        (0, 200, None, False),
        (0, 201, None, True),
        (100, 50, 0.5, False),
        (100, 49, 0.5, True),
        (100, 151, 0.5, True),
        (19, 0, 0.5, False),
        (20, 0, 0.5, True),
        (100, 0, 1.0, False),
        (100, 201, 1.0, True),
    ],
)
def test_a_segment_may_change_so_much(before: float | None, after: int, allowed: float | None, stops: bool) -> None:
    assert segments.change_too_large(before, after, allowed) is stops


def test_a_segment_that_jumps_says_how_far_and_what_to_do(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = {"segments.loyal_customers": {"members": 1000}, "segments.high_value_at_risk": {"members": 3}}

    def failed() -> tuple[str, ...]:
        results = suites.run(warehouse, segments.SUITES, baseline, "test")
        return next(one for one in results if one.asset == "segments.loyal_customers").failed

    warehouse.execute("delete from segments.loyal_customers")
    (said,) = failed()
    assert said == (
        "its size has changed no more than it may since the last good build (1,000 members before, 0 now: see"
        " `kinship segments diff HEAD` and the data it reads; if it is right, `kinship run --accept-change`)"
    )
    monkeypatch.setenv("KINSHIP_ACCEPT_CHANGE", "1")
    assert failed() == ()
