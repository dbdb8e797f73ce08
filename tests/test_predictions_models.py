"""BG/NBD and Gamma-Gamma: the published figures, parameters found in simulated data, formulas by quadrature."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.integrate import dblquad
from scipy.optimize import check_grad
from scipy.special import beta as beta_function

from kinship.predictions import bg_nbd, gamma_gamma
from kinship.predictions.backtest import auc, mae, rmse
from kinship.predictions.bg_nbd import BgNbd

CDNOW = Path(__file__).parents[2] / "shared" / "data" / "cdnow" / "cdnow_sample_2357.parquet"

CD = BgNbd(0.243, 4.414, 0.793, 2.426)


@pytest.fixture(scope="module")
def cdnow() -> dict[str, np.ndarray]:
    """Of each buyer, from purchases of a day merged: history to 1997-09-30, purchases in the 39 weeks after, values."""
    if not CDNOW.exists():
        pytest.skip("the shared test data is not beside the checkout")
    days: dict[int, dict[date, float]] = {}
    for row in pq.read_table(CDNOW).to_pylist():
        bought = days.setdefault(row["master_id"], {})
        bought[row["dt"]] = bought.get(row["dt"], 0.0) + row["amount"]
    cut = date(1997, 9, 30)
    rows = []
    for bought in days.values():
        before = sorted(day for day in bought if day <= cut)
        repeats = [bought[day] for day in before[1:]]
        rows.append(
            (
                len(before) - 1,
                (before[-1] - before[0]).days,
                (cut - before[0]).days,
                sum(1 for day in bought if 0 < (day - cut).days <= 273),
                np.mean(repeats) if repeats else 0.0,
            )
        )
    names = ("frequency", "recency", "age", "after", "value")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def test_the_figures_of_the_papers(cdnow: dict[str, np.ndarray]) -> None:
    """Parameters to the digits the papers print; the hold-out to half a unit of the last digit of the reference."""
    model = bg_nbd.fit(bg_nbd.collapse(cdnow["frequency"], cdnow["recency"], cdnow["age"]))
    assert (model.r, model.alpha) == pytest.approx((0.243, 4.414), abs=1e-3)
    assert (model.a, model.b) == pytest.approx((0.793, 2.426), abs=1e-3)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)

    expected = bg_nbd.expected_orders(model, cdnow["frequency"], cdnow["recency"], cdnow["age"], 273)
    after = cdnow["after"]
    assert after.sum() == 1882
    assert expected.sum() == pytest.approx(1653, abs=0.5)
    assert mae(after, expected) == pytest.approx(0.7855, abs=5e-5)
    assert rmse(after, expected) == pytest.approx(1.608, abs=5e-4)
    assert np.corrcoef(after, expected)[0, 1] == pytest.approx(0.626, abs=5e-4)

    again = cdnow["value"] > 0
    spending = gamma_gamma.fit(cdnow["frequency"][again], cdnow["value"][again])
    assert (spending.p, spending.q, spending.v) == pytest.approx((6.25, 3.74, 15.44), abs=5e-3)


def test_whether_someone_is_alive_does_not_say_who_buys_again(cdnow: dict[str, np.ndarray]) -> None:
    history = cdnow["frequency"], cdnow["recency"], cdnow["age"]
    buys = (cdnow["after"] > 0).astype(float)
    assert auc(buys, bg_nbd.probability_alive(CD, *history)) == pytest.approx(0.316, abs=1e-3)
    assert auc(buys, bg_nbd.expected_orders(CD, *history, 273)) == pytest.approx(0.773, abs=1e-3)


def simulate(truth: BgNbd, buyers: int, weeks: float, seed: int) -> tuple[np.ndarray, ...]:
    """Frequency, recency and age in days of buyers that live as the model supposes; first orders spread over half."""
    random = np.random.default_rng(seed)
    rate = random.gamma(truth.r, 1 / truth.alpha, buyers)
    leaves = random.beta(truth.a, truth.b, buyers)
    age = np.floor(random.uniform(weeks / 2, weeks, buyers) * 7)
    frequency, recency = np.zeros(buyers), np.zeros(buyers)
    for buyer in range(buyers):
        at = 0.0
        while True:
            at += random.exponential(1 / max(rate[buyer], 1e-12)) * 7
            if at > age[buyer]:
                break
            frequency[buyer] += 1
            recency[buyer] = np.floor(at)
            if random.uniform() < leaves[buyer]:
                break
    return frequency, recency, age


def test_parameters_are_found_again() -> None:
    truth = BgNbd(0.6, 6.0, 0.8, 2.5)
    histories = bg_nbd.collapse(*simulate(truth, 12_000, 78, seed=7))
    found = bg_nbd.fit(histories)
    assert bg_nbd.log_likelihood(found, histories) >= bg_nbd.log_likelihood(truth, histories)
    # what the data says well: rate and chance to leave in the mean; single parameters are looser
    assert found.r / found.alpha == pytest.approx(0.1, rel=0.05)
    assert found.a / (found.a + found.b) == pytest.approx(0.8 / 3.3, rel=0.08)
    assert (found.r, found.alpha, found.a, found.b) == pytest.approx((0.6, 6.0, 0.8, 2.5), rel=0.25)

    random = np.random.default_rng(3)
    orders = random.integers(1, 8, 12_000).astype(float)
    scale = random.gamma(4.0, 1 / 15.0, 12_000)
    values = random.gamma(6.0 * orders, 1 / (scale * orders))
    spending = gamma_gamma.fit(orders, values)
    assert (spending.p, spending.q, spending.v) == pytest.approx((6.0, 4.0, 15.0), rel=0.2)
    assert spending.mean == pytest.approx(30.0, rel=0.02)


def test_the_order_of_rows_changes_nothing() -> None:
    rows = np.array(simulate(CD, 400, 60, seed=1)).T
    one = bg_nbd.fit(bg_nbd.collapse(*rows.T))
    assert bg_nbd.fit(bg_nbd.collapse(*np.random.default_rng(2).permutation(rows).T)) == one


def test_gradients() -> None:
    histories = bg_nbd.collapse([0, 0, 3, 1, 9], [0, 0, 40, 20, 200], [100, 3, 60, 90, 210])
    levels = np.unique(histories.frequency, return_inverse=True)
    orders, values = np.array([1.0, 2.0, 1.0, 7.0]), np.array([0.4, 1.1, 3.0, 0.9])
    order_levels = np.unique(orders, return_inverse=True)
    for point in ([-1.0, 0.5, -0.3, 0.9], [2.0, -1.0, 1.0, -2.0]):
        error = check_grad(
            lambda logs: bg_nbd._loss(logs, histories, *levels)[0],
            lambda logs: bg_nbd._loss(logs, histories, *levels)[1],
            np.array(point),
        )
        assert error < 1e-5
        error = check_grad(
            lambda logs: gamma_gamma._loss(logs, orders, values, *order_levels)[0],
            lambda logs: gamma_gamma._loss(logs, orders, values, *order_levels)[1],
            np.array(point[:3]),
        )
        assert error < 1e-5


@pytest.mark.parametrize("history", [(0, 0, 26), (2, 20, 30), (6, 12, 52)])
@pytest.mark.parametrize("model", [CD, BgNbd(1.2, 8.0, 2.0, 3.0)], ids=["a below 1", "a above 1"])
def test_expected_orders_by_quadrature(model: BgNbd, history: tuple[int, int, int]) -> None:
    """Over all rates and chances to leave, weighted by prior and history: (1 - exp(-rate p t)) / p while there."""
    x, t_x, t = history
    ahead = 39.0

    def weight(p: float, rate: float) -> float:
        prior = rate ** (model.r - 1) * np.exp(-model.alpha * rate) * p ** (model.a - 1) * (1 - p) ** (model.b - 1)
        return float(prior)

    def there(p: float, rate: float) -> float:
        return float((1 - p) ** x * rate**x * np.exp(-rate * t))

    def gone(p: float, rate: float) -> float:
        return float(p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x)) if x else 0.0

    def integral(function: object) -> float:
        # both substituted by powers, which tames the poles of the priors at 0
        def inner(u: float, w: float) -> float:
            p, rate = u**4, w**8
            return float(weight(p, rate) * function(p, rate) * 4 * u**3 * 8 * w**7)  # type: ignore[operator]

        return float(dblquad(inner, 1e-9, 3.0 ** (1 / 8), 1e-9, 1 - 1e-9, epsabs=1e-12, epsrel=1e-7)[0])

    whole = integral(lambda p, rate: there(p, rate) + gone(p, rate))
    ahead_of_it = integral(lambda p, rate: there(p, rate) * -np.expm1(-rate * p * ahead) / p)
    one = (np.array([float(each)]) for each in (x, t_x * 7, t * 7))
    assert bg_nbd.expected_orders(model, *one, ahead * 7)[0] == pytest.approx(ahead_of_it / whole, rel=1e-4)
    assert beta_function(model.a, model.b) > 0


def test_expected_orders_stay_finite_and_grow_with_time() -> None:
    """However often someone ordered, and with parameters at their bounds."""
    frequency = np.array([0.0, 1.0, 50.0, 1000.0])
    recency, age = np.array([0.0, 10.0, 700.0, 1000.0]), np.array([1000.0, 10.0, 720.0, 1000.0])
    r_edge, _, a_edge, b_edge = (np.exp([low, -1.0, 0.0, 2.0, high]) for low, high in bg_nbd.BOUNDS)
    for a in a_edge:
        for b in b_edge:
            for r in r_edge:
                model = BgNbd(float(r), 5.0, float(a), float(b))
                near, far = (bg_nbd.expected_orders(model, frequency, recency, age, days) for days in (90, 365))
                assert np.all(np.isfinite(far)), model
                assert np.all((near >= -1e-9) & (far >= near - 1e-9)), model
    assert bg_nbd.expected_orders(BgNbd(1.0, 5.0, 1.0, 2.0), frequency, recency, age, 90) == pytest.approx(
        bg_nbd.expected_orders(BgNbd(1.0, 5.0, 1.00001, 2.0), frequency, recency, age, 90), rel=1e-4
    )


@pytest.mark.parametrize(
    "histories",
    [
        ([0], [0], [0]),
        ([0] * 50, [0] * 50, [100] * 50),
        ([3] * 50, [90] * 50, [100] * 50),
        ([400], [400], [400]),
    ],
    ids=["one buyer today", "everyone once", "all alike", "every day"],
)
def test_data_without_shape_is_no_error(histories: tuple[list[int], ...]) -> None:
    model = bg_nbd.fit(bg_nbd.collapse(*histories))
    expected = bg_nbd.expected_orders(model, *(np.array(each, dtype=float) for each in histories), 365)
    assert np.all(np.isfinite(expected))


def test_values_all_alike_are_expected_again() -> None:
    spending = gamma_gamma.fit(np.array([1.0, 2.0, 5.0]), np.array([9.99, 9.99, 9.99]))
    expected = gamma_gamma.expected_value(spending, np.array([0.0, 1.0, 5.0]), np.array([0.0, 9.99, 9.99]))
    assert expected == pytest.approx([9.99] * 3, rel=0.02)
