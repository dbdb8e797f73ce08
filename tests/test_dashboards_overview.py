# ruff: noqa: F811 - fixtures of another file
"""The overview: its figures are those of the tables, and what is missing it names."""

from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from dashboards_house import apart, one, open_page, said, shown, tables, use, warehouse  # noqa: F401 - fixtures
from insights_house import changed, charted, emptied, table

from dashboards.metrics import is_whole
from dashboards.overview.headlines import change
from kinship.published.publication import Publication

MONTH = date(2026, 5, 1)
"""The last month that is over at the company's as-of moment, a day before the end of June."""


def test_headlines_are_those_of_the_orders(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    cards = {metric.label: metric for metric in open_page("overview").metric}
    orders = "(select * from customers.customer_orders where status <> 'cancelled')"
    firsts = f"select customer_id, min(ordered_at) as first_at from {orders} group by 1"
    new = one(warehouse, f"select count(*) from ({firsts}) where date_trunc('month', first_at) = ?", MONTH)
    assert new > 0
    assert cards["New customers"].value == f"{new:,}"
    active = f"""
        select count(distinct customer_id) from {orders}
        where ordered_at < date '2026-06-01' and ordered_at >= date '2026-06-01' - to_days(90)
    """
    assert cards["Active customers"].value == f"{one(warehouse, active):,}"
    revenue = "select sum(net_amount_eur) from reporting.rpt_revenue where month_date = ?"
    now, before = (float(one(warehouse, revenue, month)) for month in (MONTH, date(2026, 4, 1)))
    assert cards["Net revenue"].value == f"€{now:,.0f}"
    assert cards["Net revenue"].delta == f"{now / before - 1:+,.0%}"
    buyers = f"""
        select count(distinct customer_id) filter (ordered_at > first_at) / count(distinct customer_id)
        from {orders} inner join ({firsts}) using (customer_id)
        where date_trunc('month', ordered_at) = ?
    """
    assert cards["Repeat rate"].value == f"{one(warehouse, buyers, MONTH):.1%}"
    assert cards["Expected value"].value == "–"  # of so few buyers nothing is expected


def test_another_period_has_other_figures(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("overview", by="Weeks")
    weeks = app.selectbox(key="week_shown")
    assert weeks.value == datetime(2026, 6, 22)  # the last that ends before the as-of moment
    app = weeks.select("week of 15 June 2026").run()
    new = one(
        warehouse,
        """
        select count(*) from (
            select min(ordered_at) as first_at from customers.customer_orders
            where status <> 'cancelled' group by customer_id
        )
        where first_at >= date '2026-06-15' and first_at < date '2026-06-22'
        """,
    )
    assert {metric.label: metric.value for metric in app.metric}["New customers"] == str(new)
    assert "Changes are on week of 8 June 2026" in said(app)


def test_charts_show_every_period_that_is_over(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("overview")
    moves = charted(app, "period", "kind", "people")
    values = """
        select metric_value from metrics.metric_values
        where grain = 'month' and dimension is null and metric_name = ? and period_start = ?
    """
    last = moves[moves["period"] == "May 26"].set_index("kind")["people"]
    assert last["New"] == one(warehouse, values, "new_customers", MONTH)
    assert last["Lost"] == -one(warehouse, values, "lost_customers", MONTH)
    assert "Jun 26" not in set(moves["period"])
    revenue = charted(app, "period", "net_revenue").set_index("period")["net_revenue"]
    assert revenue["May 26"] == pytest.approx(one(warehouse, values, "net_revenue", MONTH))


def test_retention_is_told_by_cohort(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    cells = charted(open_page("overview"), "months_since", "active_share")
    bought = """
        select distinct customer_id, date_trunc('month', ordered_at) as month,
            date_trunc('month', min(ordered_at) over (partition by customer_id)) as cohort
        from customers.customer_orders where status <> 'cancelled'
    """
    (people, active) = warehouse.execute(
        f"""
        select count(*) filter (month = cohort), count(*) filter (month = date '2026-06-01')
        from ({bought}) where cohort = ?
        """,
        [MONTH],
    ).fetchall()[0]
    cell = cells[cells["cohort"] == f"May 26 · {people}"]
    assert cell["active_people"].to_list() == [active]
    assert cell["is_complete"].to_list() == [False]


def test_cost_and_value_are_those_of_the_channel(shown: Publication, warehouse: duckdb.DuckDBPyConnection) -> None:
    app = open_page("overview")
    costs = table(app, "channel", "cost_eur").set_index("channel")["cost_eur"]
    spent = """
        select sum(cost_eur) / (
            select count(*) from customers.customer_acquisitions
            where channel = 'paid_search' and first_order_at >= (select min(cost_date) from customers.campaign_costs)
        )
        from customers.campaign_costs where channel = 'paid_search'
    """
    assert costs["Paid search"] == pytest.approx(float(one(warehouse, spent)), abs=0.005)
    country = app.selectbox(key="country")
    code = country.options[1]
    chosen = table(country.select(code).run(), "channel", "cost_eur").set_index("channel")["customers"]
    assert len(code) == 2
    buyers = "select count(*) from customers.customers where country_code = ? and order_count > 0"
    assert chosen["All"] == one(warehouse, buyers, code)


def test_what_a_customer_may_cost_is_the_margin_on_the_value(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    expected = changed(
        company,
        tmp_path / "expected",
        [
            "update reporting.rpt_customer_value_by_channel set expected_value_12_months_eur = 50,"
            " expected_value_p25_eur = 10, expected_value_p50_eur = 20, expected_value_p75_eur = 70",
            "insert into metrics.metric_values values ('expected_value', 'total', null, null, null, 200)",
        ],
    )
    use(monkeypatch, expected)
    app = open_page("overview")
    assert {metric.label: metric.value for metric in app.metric}["Expected value"] == "€200.00"
    assert "expected to spend **€200.00** each" in said(app)
    app = app.number_input(key="margin").set_value(40).run()
    assert table(app, "channel", "may_cost_eur").set_index("channel")["may_cost_eur"]["All"] == 80
    assert "one may cost up to **€80.00**" in said(app)
    # of one country MetricFlow says nothing: the reporting table does
    country = app.selectbox(key="country")
    app = country.select(country.options[1]).run()
    assert table(app, "channel", "value_eur").set_index("channel")["value_eur"]["All"] == 50


def test_nothing_is_expected_and_nothing_was_paid(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    use(
        monkeypatch,
        changed(
            company,
            tmp_path / "bare",
            [
                "update reporting.rpt_customer_value_by_channel set cost_per_customer_eur = null",
                "delete from metrics.metric_values where metric_name in ('acquisition_cost', 'advertising_cost')",
                "delete from predictions.model_runs",
            ],
        ),
    )
    app = open_page("overview")
    assert {metric.label: metric.value for metric in app.metric}["Acquisition cost"] == "–"
    assert "There is no advertising cost." in said(app)
    assert "No expected value is published. `kinship run` predicts it." in said(app)


def test_an_empty_warehouse_says_what_is_missing(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = use(monkeypatch, apart(published, tmp_path / "data"))
    use(monkeypatch, emptied(company, tmp_path / "empty"))
    app = open_page("overview")
    assert not app.metric
    for words in (
        "MetricFlow's figures are not published",
        "Nobody's first order is a month old",
        "Nobody has ordered",
    ):
        assert words in said(app)


def test_a_month_is_over_when_its_last_hours_are_told() -> None:
    assert is_whole(date(2026, 6, 1), "month", datetime(2026, 6, 30, 18, 0))
    assert not is_whole(date(2026, 6, 1), "month", datetime(2026, 6, 30, 17, 59))
    assert is_whole(date(2026, 2, 1), "month", datetime(2026, 3, 1))
    assert is_whole(date(2026, 6, 22), "week", datetime(2026, 6, 28, 23, 0))
    assert not is_whole(date(2026, 6, 29), "week", datetime(2026, 6, 30))


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        ([100.0, 103.0], "eur", "+3.0%"),
        ([100.0, 50.0], "people", "-50.0%"),
        ([1.0, 1234.0], "people", "+123,300%"),
        ([0.10, 0.125], "share", "+2.5 pp"),
        ([0.0, 0.1], "share", "+10.0 pp"),
        ([0.0, 5.0], "eur", None),
        ([float("nan"), 5.0], "eur", None),
        ([5.0], "eur", None),
    ],
)
def test_a_change_is_on_the_period_before(values: list[float], unit: str, said: str | None) -> None:
    assert change(values, unit) == said
