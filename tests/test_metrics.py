"""Every metric is what an independent query on the tables says it is; MetricFlow's command says the same."""

import csv
import random
import shutil
import socket
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import KINSHIP, ROOT, call, environment
from metrics_house import VARS, House, Values, read

from kinship.errors import KinshipError
from kinship.metrics import queries
from kinship.metrics.tables import write

MF = KINSHIP.with_name("mf")
KINSHIP_MF = KINSHIP.with_name("kinship-mf")
GRAINS = ("total", "day", "week", "month")


@pytest.fixture(scope="module")
def data(built_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the built company's warehouse and the project as it was parsed for it."""
    folder = tmp_path_factory.mktemp("metrics")
    shutil.copy(built_company / "warehouse.duckdb", folder)
    shutil.copytree(built_company / "dbt" / "manifest", folder / "dbt" / "manifest")
    shutil.copytree(built_company / "dbt" / "exposures", folder / "dbt" / "exposures")
    if (kept := built_company / "dbt" / "metrics").exists():
        shutil.copytree(kept, folder / "dbt" / "metrics")
    return folder


@pytest.fixture(scope="module", autouse=True)
def project(data: Path) -> Iterator[None]:
    """This process sees the project of that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", str(data))
        yield


@pytest.fixture(scope="module")
def figures(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The built company's warehouse with its metrics in the catalog `published`, and tables of who did what when."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        # another file: the command of the last tests wants the lock of the first
        file = shutil.copy(data / "warehouse.duckdb", tmp_path_factory.mktemp("figures"))
        connection.execute(f"attach '{file}' as warehouse (read_only)")
        connection.execute("attach ':memory:' as published")
        rows = write(connection, "warehouse", "published")
        assert rows["metrics.metric_values"] > 1000
        for statement in TRUTH:
            connection.execute(statement)
        yield connection


# What the metrics count, told once more from other tables: each says by what (`country` ...) and when (`moment`).
PERSON = (
    "customers.country_code as country, customers.acquisition_channel, customers.lifecycle_stage, customers.customer_id"
)
TRUTH = (
    "create table clock as select as_of from warehouse.customers.int_customers__as_of",
    "create table customers as from warehouse.customers.customers",
    f"""
    create table charged as
    select {PERSON}, orders.channel as sales_channel, ordered_at as moment, orders.* exclude (channel)
    from warehouse.customers.int_customers__orders as orders
    left join warehouse.identity.identity_graph as graph
        on orders.source = graph.source and orders.record_id = graph.record_id
    left join customers on graph.customer_id = customers.customer_id
    """,
    """
    create table standing as
    select *, first_value(order_id) over (
        partition by customer_id order by ordered_at, order_id
    ) <> order_id and customer_id is not null as is_again
    from charged
    where (status <> 'cancelled' or cancelled_at > (from clock)) and (ordered_at <= (from clock) or customer_id is null)
    """,
    """
    create table called_off as
    select * replace (coalesce(cancelled_at, ordered_at) as moment)
    from charged where cancelled_amount_eur <> 0
    """,
    f"""
    create table paid_back as
    select {PERSON}, refunds.channel as sales_channel, refunded_at as moment, amount_eur
    from warehouse.customers.int_customers__refunds as refunds
    left join warehouse.identity.identity_graph as graph
        on refunds.source = graph.source and refunds.record_id = graph.record_id
    left join customers on graph.customer_id = customers.customer_id
    """,
    """
    create table kept as
    select country, acquisition_channel, lifecycle_stage, sales_channel, moment, gross_amount_eur as amount from charged
    union all by name
    select country, acquisition_channel, lifecycle_stage, sales_channel, moment, -cancelled_amount_eur as amount
    from called_off
    union all by name
    select country, acquisition_channel, lifecycle_stage, sales_channel, moment, -amount_eur as amount from paid_back
    """,
    f"create table seen as select {PERSON}, first_seen_at as moment from customers",
    f"""
    create table foreseen as
    select {PERSON}, first_order_at as moment, value.expected_value_12_months_eur, churn.churn_probability
    from customers
    left join warehouse.predictions.expected_value as value on customers.customer_id = value.customer_id
    left join warehouse.predictions.churn as churn on customers.customer_id = churn.customer_id
    """,
    f"""
    create table contacts as
    select {PERSON}, channels.channel, (from clock) as moment, exists (
        from warehouse.customers.customer_consents as consents
        where consents.customer_id = customers.customer_id and purpose = 'marketing'
            and consents.channel = channels.channel and status = 'granted'
    ) as is_allowed
    from customers, (values ('email'), ('sms'), ('phone')) as channels (channel)
    where case when channels.channel = 'email' then email else phone end is not null
    """,
    f"""
    create table closed as
    select {PERSON}, started_at as moment, outcome
    from warehouse.customers.customer_carts as carts
    left join customers on carts.customer_id = customers.customer_id
    where outcome in ('ordered', 'abandoned')
    """,
    """
    create table spent as
    select channel as acquisition_channel, cost_date as moment, cost_eur, null as customer_id
    from warehouse.customers.campaign_costs
    """,
    """
    create table spent_and_won as
    from spent
    union all by name
    select acquisition_channel, moment, null as cost_eur, customer_id
    from standing
    where customer_id is not null and not is_again and moment >= (select min(cost_date) from spent.cost_date)
    """.replace("spent.cost_date", "warehouse.customers.campaign_costs"),
    "create table charged_and_paid_back as from charged union all by name select *, amount_eur as back from paid_back",
)
PEOPLE = ("country", "acquisition_channel", "lifecycle_stage")
SALES = (*PEOPLE, "sales_channel")
CONTACTS = (*PEOPLE, "channel")
# metric: table, figure, dimensions; those of customers who come and go are below
ORACLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "orders": ("standing", "count(*)", SALES),
    "gross_revenue": ("charged", "sum(gross_amount_eur)", SALES),
    "refunds": ("paid_back", "sum(amount_eur)", SALES),
    "cancellations": ("called_off", "sum(cancelled_amount_eur)", SALES),
    "net_revenue": ("kept", "sum(amount)", SALES),
    "refund_rate": ("charged_and_paid_back", "coalesce(sum(back), 0) / nullif(sum(gross_amount_eur), 0)", SALES),
    "average_order_value": ("standing", "sum(net_amount_eur) / count(net_amount_eur)", SALES),
    "buyers": ("standing", "count(distinct customer_id)", SALES),
    "repeat_buyers": ("standing", "count(distinct customer_id) filter (where is_again)", SALES),
    "repeat_rate": (
        "standing",
        "count(distinct customer_id) filter (where is_again) / nullif(count(distinct customer_id), 0)",
        SALES,
    ),
    "new_customers": ("standing", "count(*) filter (where customer_id is not null and not is_again)", SALES),
    "people": ("seen", "count(*)", PEOPLE),
    "expected_value": ("foreseen", "avg(expected_value_12_months_eur)", PEOPLE),
    "expected_revenue": ("foreseen", "sum(expected_value_12_months_eur)", PEOPLE),
    "churn_probability": ("foreseen", "avg(churn_probability)", PEOPLE),
    "contactable_people": ("contacts", "count(distinct customer_id)", CONTACTS),
    "reachable_audience": ("contacts", "count(distinct customer_id) filter (where is_allowed)", CONTACTS),
    "consent_rate": (
        "contacts",
        "count(distinct customer_id) filter (where is_allowed) / count(distinct customer_id)",
        CONTACTS,
    ),
    "closed_carts": ("closed", "count(*)", PEOPLE),
    "abandoned_carts": ("closed", "count(*) filter (where outcome = 'abandoned')", PEOPLE),
    "cart_abandonment_rate": ("closed", "count(*) filter (where outcome = 'abandoned') / count(*)", PEOPLE),
    "advertising_cost": ("spent", "sum(cost_eur)", ("acquisition_channel",)),
    "acquisition_cost": ("spent_and_won", "sum(cost_eur) / nullif(count(customer_id), 0)", ("acquisition_channel",)),
}
COME_AND_GO = {"active_customers", "returned_customers", "lost_customers", "churn_rate"}


def told(connection: duckdb.DuckDBPyConnection, table: str, figure: str, dimension: str | None) -> Values:
    """The figure in every period and value of the dimension."""
    found: Values = {}
    for grain in GRAINS:
        period = "null::date" if grain == "total" else f"date_trunc('{grain}', moment)::date"
        value = f"coalesce({dimension}, 'unknown')" if dimension else "null"
        rows = connection.execute(
            f"select {period} as p, {value} as v, ({figure})::double as f from {table}"
            f" {'' if grain == 'total' else 'where moment is not null'} group by p, v having f is not null"
        ).fetchall()
        found |= {(grain, when, what): number for when, what, number in rows}
    return found


def assert_same(ours: Values, theirs: Values) -> None:
    """Nothing at all and 0 are the same: a query has no row for a day without anything."""
    for key in ours.keys() | theirs.keys():
        assert ours.get(key, 0.0) == pytest.approx(theirs.get(key, 0.0), rel=1e-9, abs=1e-6), key


@pytest.mark.parametrize("metric", ORACLE)
def test_a_metric_is_what_the_tables_say(figures: duckdb.DuckDBPyConnection, metric: str) -> None:
    table, figure, dimensions = ORACLE[metric]
    for dimension in (None, *dimensions):
        ours = read(figures, metric, dimension)
        theirs = told(figures, table, figure, dimension)
        if metric not in ("churn_probability", "expected_value", "expected_revenue"):
            assert ours and theirs
        assert_same(ours, theirs)


def test_every_metric_has_its_oracle_and_its_dimensions(figures: duckdb.DuckDBPyConnection) -> None:
    named = {name for (name,) in figures.execute("select name from published.metrics.metrics").fetchall()}
    assert named == ORACLE.keys() | COME_AND_GO
    by = dict(
        figures.execute(
            "select metric_name, list(distinct dimension) filter (where dimension is not null)"
            " from published.metrics.metric_values group by all"
        ).fetchall()
    )
    for metric, dimensions in by.items():
        wanted = PEOPLE if metric in COME_AND_GO else ORACLE[metric][2]
        assert set(dimensions or ()) == set(wanted), metric


def test_active_is_yesterdays_with_who_came_less_who_went(figures: duckdb.DuckDBPyConnection) -> None:
    for dimension in (None, *PEOPLE):
        active, new, returned, lost = (
            read(figures, metric, dimension)
            for metric in ("active_customers", "new_customers", "returned_customers", "lost_customers")
        )
        days = sorted((value or "", day) for grain, day, value in active if grain == "day" and day)
        for (value, before), (same, day) in pairwise(days):
            if value != same:
                continue
            assert day == before + timedelta(days=1)
            key = ("day", day, value or None)
            was = active["day", before, value or None]
            assert active[key] == was + new.get(key, 0) + returned.get(key, 0) - lost.get(key, 0)


# where a report tells the same figure
REPORTS = {
    "net_revenue": "select 'month', month_date, null, sum(net_amount_eur) from reporting.rpt_revenue group by all",
    "gross_revenue": "select 'month', month_date, null, sum(gross_amount_eur) from reporting.rpt_revenue group by all",
    "refunds": "select 'month', month_date, null, sum(refunded_amount_eur) from reporting.rpt_revenue group by all",
    "buyers": "select 'month', month_date, null, sum(active_people) from reporting.rpt_retention group by all",
    "new_customers": (
        "select 'month', month_date, null, max(people) from reporting.rpt_retention where months_since = 0 group by all"
    ),
    "people": "select 'total', null, null, max(customer_count) from reporting.rpt_segment_sizes",
    "acquisition_cost": (
        "select 'total', null, null, max(cost_per_customer_eur) from reporting.rpt_customer_value_by_channel"
        " where channel = 'all'"
    ),
    "expected_value": (
        "select 'total', null, null, expected_value_12_months_eur from reporting.rpt_customer_value_by_channel"
        " where channel = 'all' and country_code = 'all' and first_category = 'all'"
    ),
}
REPORTS_BY = {
    ("net_revenue", "sales_channel"): (
        "select 'month', month_date, channel, sum(net_amount_eur) from reporting.rpt_revenue group by all"
    ),
    ("buyers", "acquisition_channel"): (
        "select 'total', null, channel, customers from reporting.rpt_customer_value_by_channel"
        " where channel <> 'all' and country_code = 'all' and first_category = 'all'"
    ),
    ("expected_value", "country"): (
        "select 'total', null, country_code, expected_value_12_months_eur from reporting.rpt_customer_value_by_channel"
        " where channel = 'all' and country_code <> 'all' and first_category = 'all'"
    ),
    ("advertising_cost", "acquisition_channel"): (
        "select 'month', month_date, channel, sum(cost_eur) from reporting.rpt_acquisition group by all"
    ),
    ("new_customers", "acquisition_channel"): (
        "select 'month', month_date, channel, sum(new_customers) from reporting.rpt_acquisition group by all"
    ),
}


@pytest.mark.parametrize(
    ("metric", "dimension", "report"),
    [*((metric, None, report) for metric, report in REPORTS.items()), *((*m, r) for m, r in REPORTS_BY.items())],
)
def test_a_report_that_tells_the_same_figure_agrees(
    figures: duckdb.DuckDBPyConnection, metric: str, dimension: str | None, report: str
) -> None:
    ours = read(figures, metric, dimension)
    compared = 0
    for grain, period, value, figure in figures.execute(
        report.replace("reporting.", "warehouse.reporting.")
    ).fetchall():
        if figure is None:
            continue
        # money of a report is rounded to cents
        assert ours.get((grain, period, value), 0.0) == pytest.approx(float(figure), abs=0.00500001), (period, value)
        compared += 1
    assert compared or metric == "expected_value"


AS_OF = datetime(2026, 6, 30, 12)


def order(order_id: str, record: str | None, gross: float | None, day: str, **more: Any) -> dict[str, Any]:
    """An order of the shop that stands; what is not said is as usual."""
    usual = {
        "order_id": order_id,
        "source": "shop",
        "record_id": record,
        "channel": "web",
        "status": "paid",
        "gross_amount_eur": gross,
        "refunded_amount_eur": 0,
        "cancelled_amount_eur": None if gross is None else 0,
        "net_amount_eur": gross,
        "ordered_at": f"{day} 10:00:00",
    }
    return usual | more


def refund(refund_id: str, order_id: str | None, record: str | None, amount: float, day: str) -> dict[str, Any]:
    return {
        "refund_id": refund_id,
        "order_id": order_id,
        "source": "shop",
        "record_id": record,
        "channel": "web",
        "amount_eur": amount,
        "refunded_at": f"{day} 10:00:00",
    }


def person(customer_id: str, **more: Any) -> dict[str, Any]:
    usual = {
        "customer_id": customer_id,
        "country_code": "DE",
        "lifecycle_stage": "lead",
        "acquisition_channel": "email",
        "has_email_marketing_consent": False,
        "has_sms_marketing_consent": False,
        "has_phone_marketing_consent": False,
        "first_seen_at": "2026-01-01 00:00:00",
    }
    return usual | more


def belongs(**records: str) -> list[dict[str, Any]]:
    """Which record is whose."""
    return [{"source": "shop", "record_id": record, "customer_id": whose} for record, whose in records.items()]


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_money_that_goes_back_cancelled_orders_and_sales_without_a_name(house: House) -> None:
    tables = {
        "customers": [person("ann"), person("ben", country_code=None)],
        "identity_graph": belongs(a="ann", b="ben"),
        "int_customers__orders": [
            # more paid back than charged
            order("1", "a", 100, "2026-05-10", status="refunded", refunded_amount_eur=130, net_amount_eur=-30),
            order("2", "a", 50, "2026-05-11"),
            # cancelled in the month after
            {
                **order("3", "b", 70, "2026-05-12", status="cancelled", cancelled_amount_eur=70, net_amount_eur=0),
                "cancelled_at": "2026-06-01 00:00:00",
            },
            order("4", None, 20, "2026-05-13", channel="store"),
            # of no known worth
            order("5", "a", None, "2026-06-02"),
            # by nobody, later than anybody did anything
            order("6", None, 7, "2026-06-30", ordered_at="2026-06-30 13:00:00"),
        ],
        "int_customers__refunds": [refund("1", "1", "a", 130, "2026-06-05"), refund("2", None, "b", 5, "2026-06-06")],
    }
    house.fill(AS_OF, tables)
    may, june = ("month", date(2026, 5, 1), None), ("month", date(2026, 6, 1), None)
    wanted = {
        "gross_revenue": [240, 7, 247],
        "refunds": [0, 135, 135],
        "cancellations": [0, 70, 70],
        "net_revenue": [240, -198, 42],
        "refund_rate": [0, 135 / 7, 135 / 247],
        "orders": [3, 2, 5],
        # -30, 50 and 20, then 7; one order's worth is not known
        "average_order_value": [40 / 3, 7, 47 / 4],
        "buyers": [1, 1, 1],
        "repeat_buyers": [1, 1, 1],
        "repeat_rate": [1, 1, 1],
        "new_customers": [1, 0, 1],
    }
    for metric, figures in wanted.items():
        ours = house.values(metric)
        assert [ours.get(key) for key in (may, june, ("total", None, None))] == pytest.approx(figures), metric
    assert house.values("net_revenue", "country")["total", None, "unknown"] == 22
    assert house.values("net_revenue", "sales_channel")["total", None, "store"] == 20
    assert house.values("buyers", "country")["total", None, "DE"] == 1

    # whoever asks for a moment is told what was known then
    house.fill(datetime(2026, 5, 31), tables, is_asked=True)
    assert [house.total(m) for m in ("net_revenue", "orders", "refunds", "cancellations")] == [240, 4, 0, 0]
    # the kept part of an order is what is known today
    assert house.total("average_order_value") == pytest.approx((-30 + 50 + 0 + 20) / 4)


def test_without_orders_and_without_anybody(house: House) -> None:
    house.fill(AS_OF, {"customers": [person("ann", email="a@example.com")]})
    assert house.total("people") == 1
    assert house.total("contactable_people") == 1
    assert house.total("reachable_audience") == 0
    # nobody could be asked for a figure: it is not there, rather than 0
    for metric in ("repeat_rate", "churn_rate", "average_order_value", "expected_value", "acquisition_cost"):
        assert house.values(metric) == {}
    house.fill(AS_OF, {})
    assert all(not figure for metric in ORACLE.keys() | COME_AND_GO for figure in house.values(metric).values())


def test_who_was_never_asked_does_not_consent(house: House) -> None:
    house.fill(
        AS_OF,
        {
            "customers": [
                person("yes", email="a@example.com", phone="+491", has_email_marketing_consent=True),
                person("both", email="b@example.com", phone="+492", has_email_marketing_consent=True,
                       has_sms_marketing_consent=True),
                person("no", email="c@example.com"),
                # a yes to e-mails of which the address is gone reaches nobody
                person("gone", has_email_marketing_consent=True),
            ]
        },
    )  # fmt: skip
    audience, contactable, rate = (
        {channel: number for (grain, _, channel), number in house.values(metric, "channel").items() if grain == "total"}
        for metric in ("reachable_audience", "contactable_people", "consent_rate")
    )
    assert audience == {"email": 2, "sms": 1, "phone": 0}
    assert contactable == {"email": 3, "sms": 2, "phone": 2}
    assert rate == {"email": 2 / 3, "sms": 1 / 2, "phone": 0}
    # people, not addresses
    assert (house.total("reachable_audience"), house.total("contactable_people")) == (2, 3)


def test_two_who_turn_out_to_be_one_are_a_customer_who_came_again(house: House) -> None:
    orders = [order("1", "a", 10, "2026-03-01"), order("2", "b", 10, "2026-05-01")]
    apart = {"customers": [person("ann"), person("ben")], "identity_graph": belongs(a="ann", b="ben")}
    house.fill(AS_OF, {**apart, "int_customers__orders": orders})
    assert [house.total(m) for m in ("buyers", "new_customers", "repeat_rate", "lost_customers")] == [2, 2, 0, 1]
    merged = {"customers": [person("ann")], "identity_graph": belongs(a="ann", b="ann")}
    house.fill(AS_OF, {**merged, "int_customers__orders": orders})
    assert [house.total(m) for m in ("buyers", "new_customers", "repeat_rate", "lost_customers")] == [1, 1, 1, 0]
    assert house.total("net_revenue") == 20


def test_customers_from_before_advertising_cost_nothing(house: House) -> None:
    house.fill(
        AS_OF,
        {
            "customers": [person("old"), person("new"), person("own", acquisition_channel="direct")],
            "identity_graph": belongs(a="old", b="new", c="own"),
            "int_customers__orders": [
                order("1", "a", 10, "2026-04-30"),
                order("2", "b", 10, "2026-05-01", ordered_at="2026-05-01 00:00:00"),
                order("3", "c", 10, "2026-05-02"),
            ],
            "campaign_costs": [
                {"cost_date": "2026-05-01", "channel": "email", "cost_eur": 30},
                {"cost_date": "2026-05-02", "channel": "paid_search", "cost_eur": 6},
            ],
        },
    )
    assert house.total("acquisition_cost") == 18
    by = {value: cost for (grain, _, value), cost in house.values("acquisition_cost", "acquisition_channel").items()
          if grain == "total"}  # fmt: skip
    # who came of themselves cost nothing to know, and what brought nobody has no cost of each
    assert by == {"email": 30}


def test_who_comes_goes_and_stays_over_random_days(house: House) -> None:
    chance = random.Random(7)
    day_of = {
        f"p{number}": sorted(
            datetime(2025, 1, 1) + timedelta(hours=chance.randrange(24 * 540))
            for _ in range(chance.choice([1, 2, 3, 5]))
        )
        for number in range(60)
    }
    limit = timedelta(days=VARS["churn_days"])
    # at the very moment at which they would be lost, and the moment after
    day_of["p0"] = [datetime(2025, 2, 1, 8), datetime(2025, 2, 1, 8) + limit]
    day_of["p1"] = [datetime(2025, 2, 1, 8), datetime(2025, 2, 1, 8) + limit + timedelta(seconds=1)]
    # lost at the as-of moment itself, and a moment too early to be
    day_of["p2"] = [AS_OF - limit]
    day_of["p3"] = [AS_OF - limit + timedelta(seconds=1)]
    house.fill(
        AS_OF,
        {
            "customers": [person(who, country_code=chance.choice(["DE", "FR", None])) for who in day_of],
            "identity_graph": belongs(**{who: who for who in day_of}),
            "int_customers__orders": [
                order(f"{who}{moment}", who, 1, "", ordered_at=str(moment))
                for who, moments in day_of.items()
                for moment in moments
            ],
        },
    )
    lost, returned, active = {}, {}, {}
    for moments in day_of.values():
        until = [*moments[1:], datetime.max]
        gone = [m + limit for m, then in zip(moments, until, strict=True) if then > m + limit and m + limit <= AS_OF]
        back = [then for m, then in pairwise(moments) if then > m + limit]
        for books, happened in ((lost, gone), (returned, back)):
            for moment in happened:
                books[moment.date()] = books.get(moment.date(), 0) + 1
        day = moments[0].date()
        while day <= AS_OF.date():
            last = max(m for m in moments if m.date() <= day)
            is_lost = (last + limit).date() <= day and last + limit <= AS_OF
            active[day] = active.get(day, 0) + (not is_lost)
            day += timedelta(days=1)
    for metric, books in (("lost_customers", lost), ("returned_customers", returned), ("active_customers", active)):
        ours = {day: number for (grain, day, _), number in house.values(metric).items() if grain == "day" and number}
        assert ours == {day: number for day, number in books.items() if number}, metric
    # a period has what was so at its last day, and all that happened in it
    months = {day.replace(day=1) for day in active}
    for month in months:
        last = max(day for day in active if day.replace(day=1) == month)
        key = ("month", month, None)
        went = sum(number for day, number in lost.items() if day.replace(day=1) == month)
        assert house.values("active_customers")[key] == active[last]
        assert house.values("lost_customers")[key] == went
        assert house.values("churn_rate").get(key) == (went / (went + active[last]) if went + active[last] else None)
    assert house.total("active_customers") == active[AS_OF.date()]
    assert house.total("churn_rate") == pytest.approx(sum(lost.values()) / (sum(lost.values()) + active[AS_OF.date()]))


def test_the_period_without_an_order_is_what_the_words_say() -> None:
    metrics = {
        metric["name"]: metric["description"]
        for path in (ROOT / "models" / "metrics").glob("*.yml")
        for metric in yaml.safe_load(path.read_text()).get("metrics", [])
    }
    for name in ("active_customers", "returned_customers", "lost_customers", "churn_probability"):
        assert f"{VARS['churn_days']} days" in metrics[name], name


def test_the_sql_is_kept_until_a_definition_changes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = queries.load_queries()

    def forbidden(*_: object) -> None:
        raise AssertionError("the SQL is written anew")

    monkeypatch.setattr(queries, "_make", forbidden)
    assert queries.load_queries() == made
    manifest = data / "dbt" / "manifest" / "semantic_manifest.json"
    before = manifest.read_text()
    try:
        manifest.write_text(before + " ")
        with pytest.raises(AssertionError, match="anew"):
            queries.load_queries()
    finally:
        manifest.write_text(before)


def test_a_metric_without_an_owner_says_so() -> None:
    with pytest.raises(KinshipError, match=r"metric profit \(models/metrics\): write `unit` and `owner`"):
        queries._metric({"name": "profit", "label": "", "description": "", "config": {"meta": {}}})


def test_the_command_of_the_docs_tells_the_same(data: Path, figures: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """MetricFlow's own `mf`, as it is installed."""
    # it would ask the internet for a newer one
    env = environment(data, HTTPS_PROXY="http://127.0.0.1:9", TMPDIR=str(tmp_path))
    out = tmp_path / "out.csv"
    done = call(MF, "query", "--metrics", "net_revenue", "--group-by", "metric_time__month", "--csv", str(out), env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    with out.open() as file:
        told = {
            date.fromisoformat(row["metric_time__month"][:10]): float(row["net_revenue"])
            for row in csv.DictReader(file)
        }
    ours = {day: number for (grain, day, _), number in read(figures, "net_revenue").items() if grain == "month"}
    assert told == pytest.approx(ours)


def test_the_definitions_are_sound_and_every_metric_is_listed(data: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        env = environment(data, HTTPS_PROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}", TMPDIR=str(tmp_path))
        sound = call(KINSHIP_MF, "validate-configs", env=env, cwd=tmp_path)
        assert sound.returncode == 0 and "ERRORS: 0" in sound.stdout, sound.stdout + sound.stderr
        listed = call(KINSHIP_MF, "list", "metrics", env=env, cwd=tmp_path)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    for metric in ORACLE.keys() | COME_AND_GO:
        assert f"• {metric}:" in listed.stdout
