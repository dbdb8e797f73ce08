"""Measures of a back-test against plain loops and scikit-learn; the rows a fit leaves."""

import json
import math
from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from kinship.predictions import backtest
from kinship.predictions.backtest import FIT, Figure, Fit, published

numbers = st.integers(0, 5).map(float)
pairs = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40)


@given(st.lists(st.tuples(st.integers(0, 1).map(float), numbers), min_size=2, max_size=40))
def test_auc_is_that_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(rows).T
    ours = backtest.auc(actual, predicted)
    if len(set(actual)) < 2:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(roc_auc_score(actual, predicted))


@given(pairs)
def test_gini_is_the_area_one_draws(rows: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(rows).T

    def area(by: np.ndarray) -> float:
        """Between curve and diagonal; what equals hold rises as a straight line."""
        held = [(sum(by == level), actual[by == level].sum() / actual.sum()) for level in sorted(set(by), reverse=True)]
        share, total = 0.0, 0.0
        for count, more in held:
            total += count / len(actual) * (share + more / 2)
            share += more
        return total - 0.5

    ours = backtest.gini(actual, predicted)
    if len(rows) < 2 or actual.sum() == 0 or np.ptp(actual) == 0:
        assert math.isnan(ours)
    elif np.ptp(predicted) == 0:
        assert ours == pytest.approx(0, abs=1e-9)
    else:
        assert ours == pytest.approx(area(predicted) / area(actual), abs=1e-9)


@given(pairs, st.randoms(use_true_random=False))
def test_no_measure_depends_on_the_order_of_rows(rows: list[tuple[float, float]], random: Random) -> None:
    mixed = rows.copy()
    random.shuffle(mixed)
    (actual, predicted), (again, repeated) = np.array(rows).T, np.array(mixed).T
    for measure in ("bias", "mae", "rmse", "spearman", "gini", "calibration_error"):
        one, other = (getattr(backtest, measure)(*each) for each in ((actual, predicted), (again, repeated)))
        assert one == pytest.approx(other, nan_ok=True)


@given(pairs)
def test_tenths_hold_everyone_and_keep_equals_together(rows: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(rows).T
    tenths = backtest.deciles(actual, predicted)
    assert sum(size for size, _, _ in tenths) == len(rows)
    assert sum(size * said for size, said, _ in tenths) == pytest.approx(predicted.sum())
    assert sum(size * was for size, _, was in tenths) == pytest.approx(actual.sum())
    assert len({said for _, said, _ in tenths}) == len(tenths) <= len(set(predicted))


def test_plain_cases() -> None:
    actual, predicted = np.array([0.0, 1.0, 3.0]), np.array([1.0, 1.0, 4.0])
    assert backtest.bias(actual, predicted) == 1.5
    assert backtest.mae(actual, predicted) == pytest.approx(2 / 3)
    assert backtest.rmse(actual, predicted) == pytest.approx(math.sqrt(2 / 3))
    assert backtest.spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])) == pytest.approx(0.5)
    assert backtest.better_by(np.zeros(3), np.ones(3)) == math.inf
    assert backtest.better_by(np.ones(3), np.ones(3)) == 0
    assert backtest.better_by(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == 0
    assert backtest.better_by(np.array([1.0, 3.0]), np.zeros(2)) == pytest.approx(-2)


def test_nobody_is_no_error() -> None:
    empty = np.array([])
    for measure in ("bias", "mae", "rmse", "spearman", "gini", "auc", "brier", "calibration_error"):
        assert math.isnan(getattr(backtest, measure)(empty, empty))
    assert backtest.deciles(empty, empty) == []


def test_a_fit_is_one_row_and_one_per_figure() -> None:
    figures = [Figure("auc", 0.7, 0.6, "recency", date(2026, 1, 1), 90), Figure("bias", math.nan)]
    fit = Fit("churn", date(2026, 4, 1), True, "beats recency", 10, {"b": np.array([1 / 3]), "a": 1}, figures, "code")
    rows = fit.rows()
    assert rows.schema == FIT
    run, auc, bias = rows.to_pylist()
    assert (run["metric"], auc["metric"], bias["value"]) == (None, "auc", None)
    assert {run["model_version"], auc["model_version"]} == {fit.version}
    assert json.loads(run["parameters"]) == {"a": 1, "b": [0.333333333]}
    assert published(rows) == (fit.version, {"a": 1, "b": [0.333333333]})


def test_the_version_tells_name_code_and_parameters_apart() -> None:
    def version(model: str = "m", code: str = "c", parameter: float = 1.0) -> str:
        return Fit(model, None, True, "", 0, {"p": parameter}, code=code).version

    assert version() == version(parameter=1.0 + 1e-14)
    assert len({version(), version(model="n"), version(code="d"), version(parameter=2.0)}) == 4


def test_what_is_not_published_has_no_parameters_to_predict_by() -> None:
    assert published(Fit("churn", None, False, "too few buyers").rows()) is None
