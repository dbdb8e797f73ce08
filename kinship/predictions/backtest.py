"""Judges a model where the answer is known, and writes down what was found: measures, a rule, rows of two tables.

A fit says of one model: was it published, why or why not, with which parameters, and what the back-test measured. Its
rows (`FIT`) are one for the run itself (`metric` is NULL) and one per figure; the models `model_runs` and `backtests`
take them apart again.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import rankdata

Numbers = npt.NDArray[np.float64]

FIT = pa.schema(
    [
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("as_of_date", pa.date32()),
        ("is_published", pa.bool_()),
        ("reason", pa.string()),
        ("trained_rows", pa.int64()),
        ("parameters", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("naive_value", pa.float64()),
        ("naive_rule", pa.string()),
        ("cut_date", pa.date32()),
        ("horizon_days", pa.int32()),
    ]
)

SURE = 1.645
"""Standard errors by which a model must be better than the naive rule: one chance in twenty to be so by luck."""

DIGITS = 9
"""Significant digits of a kept parameter, which two engines agree on. What is predicted is worked out from these."""


@dataclass(frozen=True)
class Figure:
    """One measure of a back-test: the model's, and the naive rule's where it has one.

    `cut_date`: the day up to which the model knew everything; `horizon_days`: how far it had to look ahead.
    """

    metric: str
    value: float
    naive_value: float | None = None
    naive_rule: str | None = None
    cut_date: date | None = None
    horizon_days: int | None = None


@dataclass(frozen=True)
class Fit:
    """What became of one model in one run. `code`: `code_version` of the modules that made it."""

    model: str
    as_of_date: date | None
    is_published: bool
    reason: str
    trained_rows: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    code: str = ""

    @property
    def kept(self) -> str:
        """The parameters as they are kept: JSON with sorted keys, numbers to `DIGITS` significant digits."""
        return json.dumps(_rounded(self.parameters), sort_keys=True, allow_nan=False)

    @property
    def version(self) -> str:
        """12 hexadecimal digits of the hash of name, code and parameters."""
        return hashlib.sha256("\n".join((self.model, self.code, self.kept)).encode()).hexdigest()[:12]

    def rows(self) -> pa.Table:
        """The run and its figures, schema `FIT`."""
        run: dict[str, Any] = {
            "model": self.model,
            "model_version": self.version,
            "as_of_date": self.as_of_date,
            "is_published": self.is_published,
            "reason": self.reason,
            "trained_rows": self.trained_rows,
            "parameters": self.kept,
        }
        figures = [
            run
            | {
                "metric": figure.metric,
                "value": _finite(figure.value),
                "naive_value": _finite(figure.naive_value),
                "naive_rule": figure.naive_rule,
                "cut_date": figure.cut_date,
                "horizon_days": figure.horizon_days,
            }
            for figure in self.figures
        ]
        return pa.Table.from_pylist([run, *figures], schema=FIT)


def published(fit: pa.Table) -> tuple[str, dict[str, Any]] | None:
    """Version and parameters of the model whose rows (`FIT`) these are; None when it is not published."""
    for row in fit.to_pylist():
        if row["metric"] is None and row["is_published"]:
            return str(row["model_version"]), json.loads(row["parameters"])
    return None


def code_version(*files: str) -> str:
    """Hash of the source of modules (their `__file__`): a model of other code is another version."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:12]


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return _rounded(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value.item() if isinstance(value, np.generic) else value


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


# Measures. All arrays are of one length, in one order; NaN where a measure has no meaning (nobody, all alike).


def bias(actual: Numbers, predicted: Numbers) -> float:
    """Sum of what was predicted by the sum of what happened: 1 is right, 1.5 is half too many."""
    total = float(np.sum(actual))
    return float(np.sum(predicted)) / total if total > 0 else math.nan


def mae(actual: Numbers, predicted: Numbers) -> float:
    """Mean absolute error. "Nothing happens" does well by it where most do nothing: never judge by it alone."""
    return float(np.mean(np.abs(actual - predicted))) if len(actual) else math.nan


def rmse(actual: Numbers, predicted: Numbers) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((actual - predicted) ** 2))) if len(actual) else math.nan


def spearman(actual: Numbers, predicted: Numbers) -> float:
    """Rank correlation, ties at their middle rank; from -1 to 1."""
    if len(actual) < 2 or np.ptp(actual) == 0 or np.ptp(predicted) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(actual), rankdata(predicted))[0, 1])


def gini(actual: Numbers, predicted: Numbers) -> float:
    """How much of the whole lies with those ranked first: 1 as good as knowing it, 0 as drawing lots.

    The area between the cumulated share of `actual` in descending order of `predicted` (equals share theirs) and the
    diagonal, by the same area in the order of `actual` itself.
    """
    if len(actual) < 2 or np.sum(actual) <= 0:
        return math.nan
    best = _concentration(actual, actual)
    return _concentration(actual, predicted) / best if best > 0 else math.nan


def _concentration(actual: Numbers, by: Numbers) -> float:
    count = len(actual)
    # the middle rank shares out what equals hold
    return float(2 * np.sum(actual * rankdata(by)) / (count * np.sum(actual)) - (count + 1) / count)


def auc(actual: Numbers, predicted: Numbers) -> float:
    """How often someone with `actual` 1 is ranked above someone with 0: area under the ROC curve, 0.5 is chance."""
    yes = actual > 0.5
    positives, negatives = int(np.sum(yes)), int(np.sum(~yes))
    if positives == 0 or negatives == 0:
        return math.nan
    return float((np.sum(rankdata(predicted)[yes]) - positives * (positives + 1) / 2) / (positives * negatives))


def brier(actual: Numbers, predicted: Numbers) -> float:
    """Mean squared error of probabilities."""
    return float(np.mean((actual - predicted) ** 2)) if len(actual) else math.nan


def deciles(actual: Numbers, predicted: Numbers, count: int = 10) -> list[tuple[int, float, float]]:
    """(size, mean predicted, mean actual) of tenths of the people by what was predicted, lowest first.

    Equals are kept together, so that the order of rows says nothing; a tenth that this empties is left out.
    """
    if len(actual) == 0:
        return []
    place = np.minimum(((rankdata(predicted) - 0.5) * count / len(predicted)).astype(int), count - 1)
    groups = ((place == each) for each in range(count))
    return [
        (int(np.sum(group)), float(np.mean(predicted[group])), float(np.mean(actual[group])))
        for group in groups
        if np.any(group)
    ]


def calibration_error(actual: Numbers, predicted: Numbers) -> float:
    """Mean distance over the tenths between what was predicted and what happened, weighted by their size.

    Of probabilities this is the expected calibration error.
    """
    if len(actual) == 0:
        return math.nan
    return sum(size * abs(said - was) for size, said, was in deciles(actual, predicted)) / len(actual)


def decile_figures(
    name: str, actual: Numbers, predicted: Numbers, cut_date: date | None, horizon_days: int | None
) -> list[Figure]:
    """`<name>_decile_01_predicted` and `..._actual`, lowest tenth first."""
    return [
        Figure(f"{name}_decile_{number:02}_{what}", value, cut_date=cut_date, horizon_days=horizon_days)
        for number, (_, said, was) in enumerate(deciles(actual, predicted), 1)
        for what, value in (("predicted", said), ("actual", was))
    ]


def better_by(loss: Numbers, naive_loss: Numbers) -> float:
    """By how many standard errors the losses, person by person, are smaller than the naive rule's.

    Infinite when they are smaller by the same amount everywhere; 0 when they are equal.
    """
    gain = np.asarray(naive_loss, dtype=float) - np.asarray(loss, dtype=float)
    if len(gain) < 2:
        return 0.0
    mean, spread = float(np.mean(gain)), float(np.std(gain, ddof=1))
    if spread == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / (spread / math.sqrt(len(gain)))


def squared(actual: Numbers, predicted: Numbers) -> Numbers:
    """Squared errors, person by person: for `better_by`."""
    return np.asarray((actual - predicted) ** 2, dtype=float)


def as_numbers(values: Iterable[float] | pa.ChunkedArray) -> Numbers:
    """As 64-bit floats; NULL is NaN."""
    if isinstance(values, pa.ChunkedArray):
        return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(list(values), dtype=np.float64)
