"""How many orders: the BG/NBD model of buyers who are free to leave without saying so.

Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing
Science 24(2). A buyer orders at random at a rate of their own (gamma: shape r, rate alpha) and after each order leaves
for good with a probability of their own (beta: a, b). Of a buyer it needs three numbers, the first order not counted:
how many further days with orders (frequency), when the last of them was (recency, since the first), and how long ago
the first was (age). Time is in weeks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, digamma, gammaln, hyp2f1

from kinship.predictions.backtest import Numbers

DAYS = 7.0
"""Days in the unit of time."""

AT_FIRST = 20_000
"""So many different histories choose among the starts; all of them take part in the last climb."""

BOUNDS = ((-7.0, 7.0), (-7.0, 7.0), (-7.0, 4.0), (-7.0, 7.0))
"""Of the logarithms of r, alpha, a and b. Within them 2F1 has its digits; a fit that ends there found no shape."""

_STARTS = ((0.5, 0.3, 0.5, 2.0), (1.0, 1.0, 1.0, 1.0), (0.25, 0.1, 0.8, 2.5), (2.0, 2.0, 0.1, 1.0))


@dataclass(frozen=True)
class Histories:
    """Different histories and how many buyers have each: all that the likelihood needs to know of any number."""

    frequency: Numbers
    recency: Numbers
    age: Numbers
    buyers: Numbers


@dataclass(frozen=True)
class BgNbd:
    """The parameters, and the log-likelihood reached with them."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")


def collapse(frequency: npt.ArrayLike, recency_days: npt.ArrayLike, age_days: npt.ArrayLike) -> Histories:
    """The different histories among buyers, in an order of their own. Whole days; 0 <= recency <= age < 2^20."""
    x, t_x, t = (np.asarray(each, dtype=np.int64) for each in (frequency, recency_days, age_days))
    keys, buyers = np.unique((x << 40) | (t_x << 20) | t, return_counts=True)
    parts = keys >> 40, (keys >> 20) & (2**20 - 1), keys & (2**20 - 1)
    x, t_x, t = parts
    return Histories(x.astype(float), t_x / DAYS, t / DAYS, buyers.astype(float))


def fit(histories: Histories) -> BgNbd:
    """Parameters of the greatest likelihood, by L-BFGS-B from several starts."""
    step = max(1, len(histories.buyers) // AT_FIRST)
    some = Histories(*(getattr(histories, name)[::step] for name in ("frequency", "recency", "age", "buyers")))
    scale = float(np.average(histories.age, weights=histories.buyers)) or 1.0
    starts = (np.log([r, alpha * scale, a, b]) for r, alpha, a, b in _STARTS)
    tried = [_climb(np.clip(start, *np.transpose(BOUNDS)), some) for start in starts]
    best = min(tried, key=lambda each: each[1])[0]
    logs, loss = _climb(best, histories) if step > 1 else min(tried, key=lambda each: each[1])
    r, alpha, a, b = (float(each) for each in np.exp(logs))
    return BgNbd(r, alpha, a, b, -loss * float(np.sum(histories.buyers)))


def _climb(start: Numbers, histories: Histories) -> tuple[Numbers, float]:
    found = minimize(
        _loss,
        start,
        args=(histories, *np.unique(histories.frequency, return_inverse=True)),
        jac=True,
        method="L-BFGS-B",
        bounds=BOUNDS,
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9},
    )
    return found.x, float(found.fun)


def _loss(logs: Numbers, histories: Histories, levels: Numbers, level: npt.NDArray[np.intp]) -> tuple[float, Numbers]:
    """Minus the mean log-likelihood (equation 6 there, in logarithms) and its gradient by the logs of the parameters.

    What depends on the frequency alone is worked out once for each of its `levels`.
    """
    r, alpha, a, b = np.exp(logs)
    x, t_x, t, buyers = histories.frequency, histories.recency, histories.age, histories.buyers
    repeats = x > 0
    after = np.where(repeats, b + x - 1, 1.0)
    of_level = gammaln(r + levels) - gammaln(r) + betaln(a, b + levels) - betaln(a, b)
    log_t, log_t_x = np.log(alpha + t), np.log(alpha + t_x)
    alive = -(r + x) * log_t
    gone = np.where(repeats, np.log(a) - np.log(after) - (r + x) * log_t_x, -np.inf)
    either = np.logaddexp(alive, gone)
    total = float(np.sum(buyers))
    loss = -float(np.sum(buyers * (r * np.log(alpha) + of_level[level] + either))) / total

    left = np.where(repeats, np.exp(gone - either), 0.0)
    slopes = (
        (digamma(r + levels) - digamma(r))[level] + np.log(alpha) - (1 - left) * log_t - left * log_t_x,
        r / alpha - (r + x) * ((1 - left) / (alpha + t) + left / (alpha + t_x)),
        (digamma(a + b) - digamma(a + b + levels))[level] + left / a,
        (digamma(a + b) - digamma(a + b + levels) + digamma(b + levels) - digamma(b))[level] - left / after,
    )
    gradient = np.array([-np.sum(buyers * slope) / total for slope in slopes])
    return loss, gradient * np.exp(logs)


def log_likelihood(model: BgNbd, histories: Histories) -> float:
    """Of all buyers together."""
    logs = np.log([model.r, model.alpha, model.a, model.b])
    loss, _ = _loss(logs, histories, *np.unique(histories.frequency, return_inverse=True))
    return -loss * float(np.sum(histories.buyers))


def probability_alive(model: BgNbd, frequency: Numbers, recency_days: Numbers, age_days: Numbers) -> Numbers:
    """That the buyer has not left. 1 for whoever ordered once, however long ago: no measure of churn."""
    x, t_x, t = frequency, recency_days / DAYS, age_days / DAYS
    after = np.where(x > 0, model.b + x - 1, 1.0)
    odds = np.log(model.a) - np.log(after) + (model.r + x) * (np.log(model.alpha + t) - np.log(model.alpha + t_x))
    return np.asarray(np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0))


def expected_orders(
    model: BgNbd, frequency: Numbers, recency_days: Numbers, age_days: Numbers, ahead_days: float
) -> Numbers:
    """Days with an order that each buyer will have in the next `ahead_days`, given their history (equation 10 there).

    With Euler's transformation of 2F1, which leaves small parameters however often the buyer has ordered; the original
    loses all its digits after some hundred orders.
    """
    x, t, ahead = frequency, age_days / DAYS, ahead_days / DAYS
    a, b = model.a, model.b
    if abs(a - 1) < 1e-6:  # the limit lies between
        a = 1 + 1e-6
    ratio = (model.alpha + t) / (model.alpha + t + ahead)
    series = hyp2f1(a + b - 1 - model.r, a - 1, a + b + x - 1, 1 - ratio)
    if_alive = (a + b + x - 1) / (a - 1) * (1 - ratio ** (a - 1) * series)
    return np.asarray(if_alive * probability_alive(model, frequency, recency_days, age_days))
