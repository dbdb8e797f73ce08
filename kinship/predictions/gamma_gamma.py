"""What an order is worth: the Gamma-Gamma model of spending.

Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value. The values of a buyer's orders vary around a mean of
their own (gamma: shape p), and the means vary between buyers (gamma: q, v). Whoever has ordered little is taken to be
like the others; how much so is estimated. It supposes that value and frequency have nothing to do with each other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from kinship.predictions.backtest import Numbers

LOWEST, HIGHEST = -5.0, 9.0
"""Bounds of the logarithms of the parameters (v by the mean value); q stays above 1, where the mean exists."""

_STARTS = ((1.0, 2.0, 1.0), (5.0, 4.0, 0.5), (50.0, 20.0, 0.5))


@dataclass(frozen=True)
class GammaGamma:
    """The parameters; v is in the unit of the values."""

    p: float
    q: float
    v: float
    log_likelihood: float = float("nan")

    @property
    def mean(self) -> float:
        """The mean value of an order over all buyers."""
        return self.p * self.v / (self.q - 1)


def fit(orders: Numbers, mean_value: Numbers) -> GammaGamma:
    """Parameters of the greatest likelihood, from each buyer's number of orders (>= 1) and their mean value (> 0)."""
    scale = float(np.mean(mean_value))
    values = mean_value / scale
    bounds = [(LOWEST, HIGHEST), (float(np.log(1.01)), HIGHEST), (LOWEST, HIGHEST)]
    tried = [
        minimize(
            _loss,
            np.log(start),
            args=(orders, values, *np.unique(orders, return_inverse=True)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9},
        )
        for start in _STARTS
    ]
    best = min(tried, key=lambda each: float(each.fun))
    p, q, v = (float(each) for each in np.exp(best.x))
    # in the values' own unit the density is `scale` times thinner
    return GammaGamma(p, q, v * scale, -float(best.fun) * len(values) - len(values) * float(np.log(scale)))


def _loss(
    logs: Numbers, orders: Numbers, values: Numbers, levels: Numbers, level: npt.NDArray[np.intp]
) -> tuple[float, Numbers]:
    """Minus the mean log-likelihood (equation 1a there) and its gradient by the logs of the parameters."""
    p, q, v = np.exp(logs)
    spent = orders * values
    log_all = np.log(spent + v)
    of_level = gammaln(p * levels + q) - gammaln(p * levels) - gammaln(q) + q * np.log(v)
    likelihood = of_level[level] + p * orders * np.log(spent) - np.log(values) - (p * orders + q) * log_all
    shape = digamma(p * levels + q)
    slopes = (
        orders * ((shape - digamma(p * levels))[level] + np.log(spent) - log_all),
        (shape - digamma(q))[level] + np.log(v) - log_all,
        q / v - (p * orders + q) / (spent + v),
    )
    return -float(np.mean(likelihood)), np.array([-np.mean(slope) for slope in slopes]) * np.exp(logs)


def expected_value(model: GammaGamma, orders: Numbers, mean_value: Numbers) -> Numbers:
    """The mean value of each buyer's orders to come (equation 5 there); the mean over all where `orders` is 0."""
    spent = np.where(orders > 0, orders * mean_value, 0.0)
    return np.asarray(model.p * (model.v + spent) / (model.p * orders + model.q - 1))
