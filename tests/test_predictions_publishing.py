"""What is published and what is not: companies in which the answer is known, and data that is good for nothing."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from predictions_house import house, look, rows_of

from kinship.predictions import backtest, campaign_propensity, churn, expected_value
from kinship.predictions.backtest import Fit

NOW = datetime(2026, 1, 1, 12)
START = NOW - timedelta(days=800)

Tables = dict[str, pa.Table]


def shop(
    buyers: int = 900, seed: int = 1, rate_after: Callable[[float], float] = lambda day: 1.0, loyal: float = 0.5
) -> list[tuple[object, ...]]:
    """Orders over 800 days. Buyers order at a rate of their own until they leave; the rate of all may change by day."""
    random = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []
    for buyer in range(buyers):
        at = random.uniform(0, 700)
        rate = random.choice([1 / 12, 1 / 100])
        mean = random.gamma(4, 20)
        leaves = random.beta(1, 1 + 8 * loyal)
        while at < 800:
            amount = Decimal(str(round(max(random.gamma(5, mean / 5), 0.5), 2)))
            rows.append((f"o{len(rows)}", f"{buyer:05}", "paid", amount, START + timedelta(days=float(at)), None))
            if random.uniform() < leaves:
                break
            at += random.exponential(1 / (rate * rate_after(at)))
    return rows


def mail(people: int = 500, seed: int = 1, telling: bool = True) -> list[tuple[object, ...]]:
    """Weekly messages over 30 weeks. People are keen for some weeks and then are not; or everyone clicks by chance."""
    random = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []

    def add(kind: str, person: int, week: int, at: datetime) -> None:
        rows.append((f"e{len(rows)}", f"{person:05}", kind, "email", f"week {week}", at, None))

    for person in range(people):
        is_keen = random.uniform() < 0.5
        for week in range(30):
            at = NOW - timedelta(days=7 * (30 - week)) + timedelta(hours=1)
            is_keen ^= bool(random.uniform() < 0.07)
            likes = (0.5 if is_keen else 0.02) if telling else 0.2
            add("email_received", person, week, at)
            if random.uniform() < min(1, 2 * likes):
                add("email_opened", person, week, at + timedelta(hours=3))
                if random.uniform() < 0.5:
                    add("email_clicked", person, week, at + timedelta(hours=4))
    return rows


def seen(order: int | None = None, **tables: list[tuple[object, ...]]) -> Callable[[str, str], pa.Table]:
    """The feature models over these tables; `order` shuffles the rows of all."""
    with house(tables) as connection:
        look(connection, NOW)
        held = {
            (name, model): rows_of(connection, f"int_predictions__{name}", model)
            for name in (
                "moments",
                "order_features",
                "order_outcomes",
                "activity_features",
                "campaign_features",
                "campaign_outcomes",
            )
            for model in ("expected_value", "churn", "campaign_propensity")
        }
    if order is not None:
        mixed = np.random.default_rng(order)
        held = {key: table.take(mixed.permutation(table.num_rows)) for key, table in held.items()}
    return lambda name, model: held[name, model]


def expected_values(tables: Callable[[str, str], pa.Table]) -> tuple[Fit, pa.Table]:
    moments, features, outcomes = (tables(n, "expected_value") for n in ("moments", "order_features", "order_outcomes"))
    fit = expected_value.fit(moments, features, outcomes)
    return fit, expected_value.score(fit.rows(), features)


def churns(tables: Callable[[str, str], pa.Table]) -> tuple[Fit, pa.Table]:
    moments, orders, activity, outcomes = (
        tables(n, "churn") for n in ("moments", "order_features", "activity_features", "order_outcomes")
    )
    fit = churn.fit(moments, orders, activity, outcomes)
    return fit, churn.score(fit.rows(), orders, activity)


def propensities(tables: Callable[[str, str], pa.Table]) -> tuple[Fit, pa.Table]:
    moments, features, outcomes = (
        tables(n, "campaign_propensity") for n in ("moments", "campaign_features", "campaign_outcomes")
    )
    fit = campaign_propensity.fit(moments, features, outcomes)
    return fit, campaign_propensity.score(fit.rows(), features)


def figure(fit: Fit, metric: str) -> backtest.Figure:
    return next(each for each in fit.figures if each.metric == metric)


@pytest.fixture(scope="module")
def steady() -> Callable[[str, str], pa.Table]:
    return seen(customer_orders=shop(), customer_events=mail())


def test_a_steady_shop_is_predicted(steady: Callable[[str, str], pa.Table]) -> None:
    fit, scores = expected_values(steady)
    assert fit.is_published, fit.reason
    assert figure(fit, "orders_rmse").value < figure(fit, "orders_rmse").naive_value
    assert 0.8 < figure(fit, "value_bias").value < 1.25
    assert scores.num_rows == fit.trained_rows
    assert set(scores["model_version"].to_pylist()) == {fit.version}
    orders, each, value = (backtest.as_numbers(scores[name]) for name in scores.column_names[3:])
    assert np.all(orders >= 0)
    assert value == pytest.approx(orders * each)


def test_who_does_not_come_back_is_told_from_who_does(steady: Callable[[str, str], pa.Table]) -> None:
    fit, scores = churns(steady)
    assert fit.is_published, fit.reason
    assert figure(fit, "auc").value > figure(fit, "auc").naive_value
    said = backtest.as_numbers(scores["churn_probability"])
    assert np.all((said > 0) & (said < 1))
    assert len(set(scores["customer_id"].to_pylist())) == scores.num_rows


def test_who_answers_is_told_where_it_shows(steady: Callable[[str, str], pa.Table]) -> None:
    fit, scores = propensities(steady)
    assert fit.is_published, fit.reason
    assert scores.num_rows == 500
    by_chance, none = propensities(seen(customer_events=mail(telling=False)))
    assert not by_chance.is_published
    assert "not surely better than the naive rule" in by_chance.reason
    assert none.num_rows == 0


def test_the_order_of_rows_changes_nothing(steady: Callable[[str, str], pa.Table]) -> None:
    mixed = seen(order=5, customer_orders=shop(), customer_events=mail())
    for model in (expected_values, churns, propensities):
        (one, first), (other, second) = model(steady), model(mixed)
        assert one.rows().equals(other.rows())
        assert first.equals(second)


def test_a_shop_that_stopped_is_not_predicted() -> None:
    """Half the orders from the last cut on: all that is said of them is far too much, and no earlier cut knew it."""
    fit, scores = expected_values(seen(customer_orders=shop(rate_after=lambda day: 1.0 if day < 420 else 0.2)))
    assert not fit.is_published
    assert "bias of orders and value is" in fit.reason
    assert scores.num_rows == 0
    assert figure(fit, "orders_bias").value > 1.25, "the figures are kept all the same"


def test_factors_help_only_when_an_earlier_cut_says_so() -> None:
    actual = np.array([0.0, 1.0, 2.0, 5.0] * 30)
    buyers = expected_value.Buyers(["x"] * 120, *[np.ones(120)] * 6)
    last = expected_value.Test(NOW.date(), 300, buyers, actual, actual * 10, actual * 2, actual * 30)
    assert last.biases == pytest.approx((2.0, 3.0))
    assert not last.is_level
    assert last.factors == pytest.approx((1 / 2, 2 / 3))
    assert expected_value._helps((0.6, 0.8), last)
    assert last.times(*last.factors).biases == pytest.approx((1.0, 1.0))
    assert not expected_value._helps((1.5, 1.0), last)
    assert not expected_value._helps((0.05, 1.0), last)


def orders_of(*each: tuple[int, float, object]) -> list[tuple[object, ...]]:
    return [
        (f"o{number}", f"{buyer:05}", "paid", amount, NOW - timedelta(days=days), None)
        for number, (buyer, days, amount) in enumerate(each)
    ]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([], "too short a history"),
        (orders_of((1, 0, 10)), "too short a history"),
        (orders_of((1, 700, 10), (1, 30, 10)), "too few buyers"),
        (orders_of(*((n, 700 - n, 10) for n in range(400))), "too few buyers"),
        (orders_of(*((n, 500, 10) for n in range(400))), "too few buyers"),
        (orders_of(*((n, d, -5) for n in range(200) for d in (700, 600, 100))), "worth something"),
        (orders_of(*((n, d, 0) for n in range(200) for d in (700, 600, 100))), "worth something"),
        (orders_of(*((n, d, None) for n in range(200) for d in (700, 600, 100))), "worth something"),
        (orders_of(*((n, d, 5) for n in range(200) for d in (799, 700, 600))), "nobody known at the cut ordered"),
    ],
    ids=["nothing", "one order", "one buyer", "all once", "all at once", "below 0", "for nothing", "unknown", "over"],
)
def test_what_is_good_for_nothing_is_refused_with_the_reason(orders: list[tuple[object, ...]], reason: str) -> None:
    tables = seen(customer_orders=orders)
    fit, scores = expected_values(tables)
    assert not fit.is_published
    assert reason in fit.reason
    assert scores.num_rows == 0
    for model in (churns, propensities):
        fit, scores = model(tables)
        assert not fit.is_published
        assert "too little" in fit.reason
        assert (scores.num_rows, fit.rows().num_rows) == (0, 1)


def test_all_alike_is_no_error() -> None:
    alike = orders_of(*((n, d, 10) for n in range(300) for d in range(780, 0, -30)))
    tables = seen(customer_orders=alike)
    fit, scores = expected_values(tables)
    said = backtest.as_numbers(scores["expected_value_12_months_eur"])
    assert fit.reason
    assert np.all(np.isfinite(said))
    assert not churns(tables)[0].is_published
    assert all(math.isfinite(value) for value in fit.parameters.values())


def test_no_clock_is_no_error() -> None:
    with house() as connection:
        look(connection, NOW)
        connection.execute("update int_customers__as_of set as_of = null")
        moments = connection.execute("select * from int_predictions__moments limit 0").to_arrow_table()
        fit = expected_value.fit(
            moments,
            *(rows_of(connection, f"int_predictions__order_{n}", "expected_value") for n in ("features", "outcomes")),
        )
    assert (fit.is_published, fit.as_of_date) == (False, None)
