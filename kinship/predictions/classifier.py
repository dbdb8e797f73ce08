"""Probabilities of yes or no: a logistic regression, calibrated, judged at the latest cut whose answer is known.

It learns at the cuts before that one, and then, to be published, at all of them. Each person's rows stay together when
the calibration is learnt from predictions for people the regression did not see. The whole model is its parameters:
the probabilities are worked out from them again by `probabilities`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from kinship.predictions import backtest, logistic
from kinship.predictions.backtest import SURE, Figure, Fit, Numbers

EXAMPLES = 200
"""Examples that a fit and its test need at the least, and of each answer `OF_EACH`."""
OF_EACH = 30

BIAS = (0.8, 1.25)
"""Sum of the probabilities by the number of those who did, between which a model may be believed."""
CALIBRATION_ERROR = 0.1
"""Mean distance of a tenth's probability from what happened there, above which it may not."""

MEAN = "the same for everyone"
"""The other naive rule: a model that beats a bad rule by telling nobody apart is no model."""

FOLDS = 5
STEPS = 1000
"""From so many of the rarer answer on, calibration is a rising curve of steps; below, a straight line of log-odds."""
EDGE = 1e-4
"""Nothing is said with more certainty than that."""


@dataclass(frozen=True)
class Examples:
    """What was known of people at cuts, one row each: features as columns of `x`, the answer in `y` (NaN: not known).

    `person` numbers the people; `plain` is what the naive rule looks at. Rows are in an order of their own.
    """

    person: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    x: Numbers
    y: Numbers
    plain: Numbers

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Examples":
        """Some of the rows."""
        return Examples(self.person[chosen], self.cut[chosen], self.x[chosen], self.y[chosen], self.plain[chosen])

    @property
    def lack(self) -> str | None:
        """What is missing to learn or to judge by them."""
        yes = int(np.sum(self.y))
        if len(self.y) < EXAMPLES or min(yes, len(self.y) - yes) < OF_EACH:
            return f"{len(self.y)} examples, {yes} of them with yes; {EXAMPLES} are needed, {OF_EACH} with each answer"
        return None


Naive = Callable[[Examples, Examples], tuple[Numbers, Numbers]]
"""What the naive rule says of the second, having seen the first: probabilities, and what it ranks by."""


def fit(
    model: str,
    moments: Sequence[Mapping[str, Any]],
    features: Sequence[str],
    examples: Examples,
    naive: Naive,
    naive_rule: str,
    code: str,
) -> Fit:
    """The model, judged at cut 1. `moments`: rows of `int_predictions__moments`; `features`: names of the columns."""
    when = {row["cut_number"]: row for row in moments}
    as_of = when[0]["moment"].date() if when and when[0]["moment"] else None
    known = examples.where((examples.cut > 0) & ~np.isnan(examples.y))
    before, last = known.where(known.cut > 1), known.where(known.cut == 1)

    def refused(reason: str, parameters: Mapping[str, Any] | None = None, figures: Sequence[Figure] = ()) -> Fit:
        return Fit(model, as_of, False, reason, len(known.y), parameters or {}, figures, code)

    for part, where in ((last, "to judge by, at the last cut"), (before, "to learn from, at the cuts before it")):
        if part.lack:
            return refused(f"too little {where}: {part.lack}")
    said = probabilities(learn(before), last.x)
    plain, plain_rank = naive(before, last)
    cut = when[1]
    day, ahead = cut["moment"].date(), int(cut["horizon_days"])
    figures = _figures(last.y, said, plain, plain_rank, naive_rule, day, ahead)
    mean = np.full(len(last.y), np.mean(before.y))
    figures.append(
        Figure("brier_beside_the_mean", backtest.brier(last.y, said), backtest.brier(last.y, mean), MEAN, day, ahead)
    )
    parameters = {"features": list(features), **learn(known)}
    by = {figure.metric: figure for figure in figures}
    faults = []
    for metric, other, rule in (("brier", plain, naive_rule), ("brier_beside_the_mean", mean, MEAN)):
        if backtest.better_by(backtest.squared(last.y, said), backtest.squared(last.y, other)) < SURE:
            faults.append(f"Brier score {_against(by[metric])} is not surely better than the naive rule's ({rule})")
    if not by["auc"].value > (by["auc"].naive_value or 0):
        faults.append(f"AUC {_against(by['auc'])} is no better than the naive rule's ({naive_rule})")
    if not BIAS[0] <= by["bias"].value <= BIAS[1]:
        faults.append(f"bias {by['bias'].value:.2f} is not within {BIAS[0]} and {BIAS[1]}")
    if not by["calibration_error"].value <= CALIBRATION_ERROR:
        faults.append(f"calibration error {by['calibration_error'].value:.3f} is above {CALIBRATION_ERROR}")
    if faults:
        return refused("; ".join(faults), parameters, figures)
    reason = f"AUC {_against(by['auc'])}, Brier score {_against(by['brier'])}; bias {by['bias'].value:.2f}"
    return Fit(model, as_of, True, reason, len(known.y), parameters, figures, code)


def _against(figure: Figure) -> str:
    return f"{figure.value:.3f} against {figure.naive_value:.3f}"


def _figures(
    y: Numbers, said: Numbers, plain: Numbers, rank: Numbers, rule: str, cut_date: date, days: int
) -> list[Figure]:
    measured = [
        ("auc", backtest.auc(y, said), backtest.auc(y, rank)),
        ("brier", backtest.brier(y, said), backtest.brier(y, plain)),
        ("bias", backtest.bias(y, said), backtest.bias(y, plain)),
        ("calibration_error", backtest.calibration_error(y, said), backtest.calibration_error(y, plain)),
    ]
    figures = [Figure(name, value, other, rule, cut_date, days) for name, value, other in measured]
    figures.append(Figure("share_of_yes", float(np.mean(y)), None, None, cut_date, days))
    return [*figures, *backtest.decile_figures("probability", y, said, cut_date, days)]


def learn(examples: Examples) -> dict[str, Any]:
    """Parameters for `probabilities`. The same examples give the same parameters: one thread, no chance."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        folds = examples.person % FOLDS
        unseen = np.empty(len(examples.y))
        for fold in range(FOLDS):
            mine = folds == fold
            unseen[mine] = _log_odds(_regression(examples.x[~mine], examples.y[~mine]), examples.x[mine])
        return {**_regression(examples.x, examples.y), "calibration": _calibration(unseen, examples.y)}


def _regression(x: Numbers, y: Numbers) -> dict[str, Any]:
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    if y.min() == y.max():  # a fold without the other answer has nothing to tell apart
        share = np.clip(y.mean(), EDGE, 1 - EDGE)
        weights, intercept = np.zeros(x.shape[1]), float(np.log(share / (1 - share)))
    else:
        weights, intercept = logistic.fit((x - centre) / spread, y, ridge=1.0)
    return {"centre": centre, "spread": spread, "weights": weights, "intercept": intercept}


def _log_odds(kept: Mapping[str, Any], x: Numbers) -> Numbers:
    centre, spread, weights = (np.asarray(kept[name], dtype=float) for name in ("centre", "spread", "weights"))
    return np.asarray((x - centre) / spread @ weights + kept["intercept"])


def _calibration(log_odds: Numbers, y: Numbers) -> dict[str, Any]:
    from sklearn.isotonic import IsotonicRegression

    if min(np.sum(y), np.sum(1 - y)) >= STEPS:
        rising = IsotonicRegression(y_min=EDGE, y_max=1 - EDGE, out_of_bounds="clip").fit(log_odds, y)
        return {"at": rising.X_thresholds_, "probability": rising.y_thresholds_}
    if np.ptp(log_odds) < 1e-12:
        share = float(np.clip(np.mean(y), EDGE, 1 - EDGE))
        return {"slope": 0.0, "intercept": float(np.log(share / (1 - share)))}
    (slope,), intercept = logistic.fit(log_odds[:, None], y, ridge=1e-6)
    return {"slope": float(slope), "intercept": intercept}


def probabilities(kept: Mapping[str, Any], x: Numbers) -> Numbers:
    """That the answer is yes, for rows of features."""
    log_odds, calibration = _log_odds(kept, x), kept["calibration"]
    if "at" in calibration:
        said = np.interp(log_odds, np.asarray(calibration["at"]), np.asarray(calibration["probability"]))
    else:
        said = expit(calibration["slope"] * log_odds + calibration["intercept"])
    return np.asarray(np.clip(said, EDGE, 1 - EDGE))
