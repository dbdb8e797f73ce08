"""The weights of a logistic regression: those of maximum likelihood, and the same on both engines."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from kinship.predictions import logistic


def examples(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of unlike size, two of which say nearly the same, and answers that depend on them."""
    chance = np.random.default_rng(size)
    x = chance.normal(size=(size, 4)) * (1, 20, 0.2, 1) + (0, 40, 0.3, 0)
    x[:, 3] = 2 * x[:, 0] + 0.01 * chance.normal(size=size)
    odds = x @ (0.3, -0.05, 1.0, 0.2) + 1
    return x, (chance.random(size) < expit(odds)).astype(float)


@pytest.mark.parametrize("size", [400, 20_000])
def test_a_last_digit_does_not_change_what_is_kept_of_the_weights(size: int) -> None:
    x, y = examples(size)
    noise = np.random.default_rng(1).normal(size=x.shape)
    weights, intercept = logistic.fit(x, y, ridge=0.001)
    others, other = logistic.fit(x * (1 + 1e-15 * noise), y, ridge=0.001)
    assert others == pytest.approx(weights, rel=1e-11)
    assert other == pytest.approx(intercept, rel=1e-11)


def test_no_other_weights_are_likelier() -> None:
    x, y = examples(400)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    ridge = 0.5

    def unlikely(each: np.ndarray) -> float:
        odds = x @ each[:-1] + each[-1]
        return float(np.sum(np.logaddexp(0, odds) - y * odds) + ridge / 2 * np.sum(each[:-1] ** 2))

    weights, intercept = logistic.fit(x, y, ridge=ridge)
    found = minimize(unlikely, np.zeros(5), method="BFGS", options={"gtol": 1e-7})
    assert [*weights, intercept] == pytest.approx(found.x, abs=1e-5)
