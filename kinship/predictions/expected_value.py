"""Orders and value of every buyer over the next 12 months: BG/NBD times Gamma-Gamma, judged before it is believed.

The rule (docs/predictions.md): the models are fitted on what was known at a cut and asked for the days from there to
now. They are published when, over those days, their orders have a smaller squared error than the naive rule's, both
rank buyers as well as it does, and their sums are right within `BIAS`. A sum that is wrong may be set right by
the factor measured, if the factor of an earlier cut would have done so at the later one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kinship.predictions import backtest, bg_nbd, gamma_gamma
from kinship.predictions.backtest import Figure, Fit, Numbers, as_numbers, code_version
from kinship.predictions.bg_nbd import BgNbd
from kinship.predictions.gamma_gamma import GammaGamma

MODEL = "expected_value"
NAIVE = "as much again as in as many days before"
YEAR = 365

BUYERS = 100
"""Buyers a fit needs at the least, of whom `REPEATING` must have come back, and days of orders before the first cut."""
REPEATING = 30
HISTORY = 90

RANK = 0.02
"""How much of the Gini coefficient of the naive rule's ranking may be lost: there the mean is not everything."""

BIAS = (0.8, 1.25)
"""Sums predicted by sums that came, between which a model may be believed."""

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("model_version", pa.string()),
        ("expected_orders_12_months", pa.float64()),
        ("expected_order_value_eur", pa.float64()),
        ("expected_value_12_months_eur", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Buyers:
    """What was known of each buyer at a moment, in the order of their ids. Days and euro."""

    ids: Sequence[str]
    order_days: Numbers
    recency: Numbers
    age: Numbers
    value: Numbers
    order_days_before: Numbers
    value_before: Numbers

    @property
    def repeating(self) -> int:
        """How many came back."""
        return int(np.sum(self.order_days > 1))


@dataclass(frozen=True)
class Models:
    """Both models, and the factors that set their sums right."""

    orders: BgNbd
    spending: GammaGamma
    orders_factor: float = 1.0
    order_value_factor: float = 1.0

    def predict(self, buyers: Buyers, days: float) -> tuple[Numbers, Numbers]:
        """Orders in the next `days`, and the value of each of them (euro)."""
        orders = bg_nbd.expected_orders(self.orders, buyers.order_days - 1, buyers.recency, buyers.age, days)
        positive = np.maximum(buyers.value, 0.0)
        value = gamma_gamma.expected_value(self.spending, buyers.order_days, positive / buyers.order_days)
        return np.maximum(orders, 0.0) * self.orders_factor, value * self.order_value_factor

    def parameters(self) -> dict[str, float]:
        """What `from_parameters` needs to predict the same again."""
        one, two = self.orders, self.spending
        return {
            "r": one.r,
            "alpha": one.alpha,
            "a": one.a,
            "b": one.b,
            "p": two.p,
            "q": two.q,
            "v": two.v,
            "orders_factor": self.orders_factor,
            "order_value_factor": self.order_value_factor,
        }

    @classmethod
    def from_parameters(cls, kept: dict[str, Any]) -> "Models":
        """The models of these parameters."""
        return cls(
            BgNbd(kept["r"], kept["alpha"], kept["a"], kept["b"]),
            GammaGamma(kept["p"], kept["q"], kept["v"]),
            kept["orders_factor"],
            kept["order_value_factor"],
        )


@dataclass(frozen=True)
class Test:
    """A cut: what was known there, what came in the days after it, what was predicted."""

    cut_date: date
    days: int
    buyers: Buyers
    orders: Numbers
    value: Numbers
    predicted_orders: Numbers
    predicted_value: Numbers

    def times(self, orders_factor: float, order_value_factor: float) -> "Test":
        """The same with other predictions."""
        return Test(
            self.cut_date,
            self.days,
            self.buyers,
            self.orders,
            self.value,
            self.predicted_orders * orders_factor,
            self.predicted_value * orders_factor * order_value_factor,
        )

    @property
    def factors(self) -> tuple[float, float]:
        """What orders, and the value of an order, would have to be multiplied by for the sums to be right."""
        orders = 1 / backtest.bias(self.orders, self.predicted_orders)
        return orders, 1 / backtest.bias(self.value, self.predicted_value) / orders

    @property
    def biases(self) -> tuple[float, float]:
        """Of orders and of value."""
        return backtest.bias(self.orders, self.predicted_orders), backtest.bias(self.value, self.predicted_value)

    @property
    def is_level(self) -> bool:
        """Whether both sums are right within `BIAS`."""
        return all(BIAS[0] <= each <= BIAS[1] for each in self.biases)

    @property
    def compared(self) -> dict[str, tuple[Numbers, Numbers, Numbers]]:
        """What is judged: what came, what was predicted, and by the naive rule."""
        return {
            "orders": (self.orders, self.predicted_orders, self.buyers.order_days_before),
            "value": (self.value, self.predicted_value, self.buyers.value_before),
        }

    def losses(self, name: str) -> tuple[Numbers, Numbers]:
        """Squared errors of orders or value, and the naive rule's."""
        actual, predicted, naive = self.compared[name]
        return backtest.squared(actual, predicted), backtest.squared(actual, naive)

    @property
    def orders_errors(self) -> tuple[float, float]:
        """RMSE of orders, and the naive rule's."""
        actual, predicted, naive = self.compared["orders"]
        return backtest.rmse(actual, predicted), backtest.rmse(actual, naive)

    def figures(self) -> list[Figure]:
        """Everything measured, with the naive rule's beside it."""
        measured = []
        for name, (actual, predicted, naive) in self.compared.items():
            for measure in (backtest.bias, backtest.mae, backtest.rmse, backtest.spearman, backtest.gini):
                figure = Figure(
                    f"{name}_{measure.__name__}",
                    measure(actual, predicted),
                    measure(actual, naive),
                    NAIVE,
                    self.cut_date,
                    self.days,
                )
                measured.append(figure)
            error = Figure(
                f"{name}_calibration_error",
                backtest.calibration_error(actual, predicted),
                backtest.calibration_error(actual, naive),
                NAIVE,
                self.cut_date,
                self.days,
            )
            measured += [error, *backtest.decile_figures(name, actual, predicted, self.cut_date, self.days)]
        return measured


def known_at(features: pa.Table, cut: int) -> Buyers:
    """The buyers of a cut, from rows of the model `int_predictions__order_features`."""
    rows = features.filter(pc.equal(features["cut_number"], cut)).sort_by("customer_id")
    names = ("order_days", "recency_days", "age_days", "value_eur", "order_days_before", "value_before_eur")
    return Buyers(rows["customer_id"].to_pylist(), *(as_numbers(rows[name]) for name in names))


def fit(moments: pa.Table, features: pa.Table, outcomes: pa.Table) -> Fit:
    """The model as it is now, judged. The tables are rows of this model in those of `int_predictions__...`."""
    code = code_version(__file__, bg_nbd.__file__, gamma_gamma.__file__)
    when = {row["cut_number"]: row for row in moments.to_pylist()}
    as_of = when[0]["moment"].date() if when and when[0]["moment"] else None
    now = known_at(features, 0)

    def refused(reason: str, figures: Sequence[Figure] = (), models: Models | None = None) -> Fit:
        kept = models.parameters() if models else {}
        return Fit(MODEL, as_of, False, reason, len(now.ids), kept, figures, code)

    if 1 not in when or when[1]["horizon_days"] < HISTORY:
        days = 2 * when[1]["horizon_days"] if 1 in when else 0
        return refused(f"too short a history: about {days} days with orders, {2 * HISTORY} are needed")
    last = _tested(when[1], features, outcomes)
    if isinstance(last, str):
        return refused(last)
    earlier = _tested(when[2], features, outcomes) if 2 in when and when[2]["horizon_days"] >= HISTORY / 2 else None
    models = _fitted(now)
    if isinstance(models, str):
        return refused(models)

    figures = last.figures()
    note = ""
    if isinstance(earlier, Test):
        figures += earlier.figures()
        if not last.is_level and _helps(earlier.factors, last):
            note = f", sums set right by factors that an earlier cut confirms (bias was {_said(last.biases)})"
            factors, last = last.factors, last.times(*earlier.factors)
            models = Models(models.orders, models.spending, *factors)
            corrected = [
                Figure(f"corrected_{f.metric}", f.value, f.naive_value, f.naive_rule, f.cut_date, f.horizon_days)
                for f in last.figures()
                if "decile" not in f.metric
            ]
            figures += corrected
    faults = _faults(last, [earlier] if isinstance(earlier, Test) else [])
    if faults:
        return refused("; ".join(faults), figures, models)
    ahead = "" if last.days >= YEAR else f", judged {last.days} days ahead for want of history"
    error, naive = last.orders_errors
    reason = f"orders: RMSE {error:.3g} against {naive:.3g}; bias of orders and value {_said(last.biases)}{ahead}{note}"
    return Fit(MODEL, as_of, True, reason, len(now.ids), models.parameters(), figures, code)


def _fitted(buyers: Buyers) -> Models | str:
    """Both models, or why there are none."""
    if len(buyers.ids) < BUYERS or buyers.repeating < REPEATING:
        return (
            f"too few buyers: {len(buyers.ids)} at the cut, {buyers.repeating} of them came back;"
            f" {BUYERS} and {REPEATING} are needed"
        )
    spent = buyers.value > 0
    if np.sum(spent) < REPEATING:
        return f"too few buyers whose orders are worth something: {int(np.sum(spent))}, {REPEATING} are needed"
    orders = bg_nbd.fit(bg_nbd.collapse(buyers.order_days - 1, buyers.recency, buyers.age))
    spending = gamma_gamma.fit(buyers.order_days[spent], buyers.value[spent] / buyers.order_days[spent])
    models = Models(orders, spending)
    if not all(np.all(np.isfinite(each)) for each in models.predict(buyers, YEAR)):
        return "the parameters found give no finite numbers"
    return models


def _tested(moment: dict[str, Any], features: pa.Table, outcomes: pa.Table) -> Test | str:
    buyers = known_at(features, moment["cut_number"])
    models = _fitted(buyers)
    if isinstance(models, str):
        return models
    came = outcomes.filter(pc.equal(outcomes["cut_number"], moment["cut_number"]))
    place = pc.index_in(pa.array(buyers.ids, pa.string()), value_set=came["customer_id"].combine_chunks())
    orders, value = (
        as_numbers(pc.fill_null(pa.chunked_array([came[name].combine_chunks().take(place)]), 0))
        for name in ("order_days_after", "value_after_eur")
    )
    if np.sum(orders) == 0 or np.sum(value) <= 0:
        return "nobody known at the cut ordered anything after it: nothing to judge by"
    ahead, worth = models.predict(buyers, moment["horizon_days"])
    if not np.sum(ahead * worth) > 0:
        return "the model of the cut expects nothing of anyone"
    cut_date = moment["moment"].date()
    return Test(cut_date, moment["horizon_days"], buyers, orders, value, ahead, ahead * worth)


def _helps(factors: tuple[float, float], last: Test) -> bool:
    """Whether the factors of an earlier cut bring the later one nearer to the truth, in sum and buyer by buyer."""
    corrected = last.times(*factors)
    nearer = all(
        abs(math.log(after)) <= abs(math.log(before)) + 1e-12
        for before, after in zip(last.biases, corrected.biases, strict=True)
    )
    return nearer and backtest.rmse(last.orders, corrected.predicted_orders) <= backtest.rmse(
        last.orders, last.predicted_orders
    )


def _faults(last: Test, earlier: Sequence[Test]) -> list[str]:
    """Why a model with these predictions is not to be believed. `earlier`: other cuts, for a second opinion."""
    faults = []
    if not last.is_level:
        faults.append(f"bias of orders and value is {_said(last.biases)}, not within {BIAS[0]} and {BIAS[1]}")
    error, naive = last.orders_errors
    gain = _gain([each.losses("orders") for each in (last, *earlier)])
    if not (error < naive and gain >= backtest.SURE):
        faults.append(
            f"RMSE of orders {error:.3g} is not surely better than {naive:.3g} of the naive rule ({NAIVE}):"
            f" {gain:.1f} standard errors over all cuts, {backtest.SURE} are needed"
        )
    if _gain([each.losses("value") for each in (last, *earlier)]) < -backtest.SURE:
        faults.append("the squared error of value is surely worse than the naive rule's")
    for name, (actual, predicted, plain) in last.compared.items():
        rank, other = backtest.gini(actual, predicted), backtest.gini(actual, plain)
        if not rank >= other - RANK:
            faults.append(f"buyers are ranked by {name} worse (Gini {rank:.3g}) than by the naive rule ({other:.3g})")
    return faults


def _gain(losses: Sequence[tuple[Numbers, Numbers]]) -> float:
    """`backtest.better_by` over several cuts, the losses of each by the naive rule's mean loss there."""
    scales = [float(np.mean(naive)) or 1.0 for _, naive in losses]
    ours = np.concatenate([loss / scale for (loss, _), scale in zip(losses, scales, strict=True)])
    theirs = np.concatenate([loss / scale for (_, loss), scale in zip(losses, scales, strict=True)])
    return backtest.better_by(ours, theirs)


def _said(biases: tuple[float, float]) -> str:
    return " and ".join(f"{each:.2f}" for each in biases)


def score(fitted: pa.Table, features: pa.Table) -> pa.Table:
    """What every buyer is expected to do, `SCORES`; no rows when the model is not published."""
    found = backtest.published(fitted)
    if found is None:
        return SCORES.empty_table()
    version, kept = found
    buyers = known_at(features, 0)
    orders, value = Models.from_parameters(kept).predict(buyers, YEAR)
    count = len(buyers.ids)
    as_of_date = fitted["as_of_date"][0]
    columns = [
        pa.array(buyers.ids, pa.string()),
        pa.repeat(as_of_date, count),
        pa.repeat(pa.scalar(version, pa.string()), count),
        pa.array(orders),
        pa.array(value),
        pa.array(orders * value),
    ]
    return pa.table(columns, schema=SCORES)
