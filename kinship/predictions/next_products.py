"""Next products: how probable it is that a product is in a person's next order.

What a person bought before, what others bought who bought the same, and what sells, weighed by a logistic regression.
The candidates and what they are judged by are SQL (`int_predictions__next_product_candidates`), and so is the use of
the weights (`next_products`); here the weights are learned at one cut in the past and judged at a later one, as they
are published. The measure is the hit rate: of those who order again, the share who buy at least one of the ten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kinship.predictions import backtest, logistic
from kinship.predictions.backtest import Figure, Fit, Numbers, code_version

MODEL = "next_products"
CODE = code_version(__file__, logistic.__file__)
SHOWN = 10
"""Products per person."""
PEOPLE = 100
"""People with a next order who are needed at each cut."""
FEATURES = (
    "x_own", "x_own_orders", "x_own_share", "x_own_age", "x_related", "x_own_related", "x_popular", "x_own_popular",
)  # fmt: skip
KEPT = backtest.FIT.append(pa.field("code", pa.string())).append(pa.field("changed_at", pa.timestamp("us")))
"""Rows of a fit that is kept, with the hash of the code that made it and when (UTC)."""
POPULAR = "bought by most in 90 days"
AGAIN = "bought most often by the person"

Lists = dict[str, list[str]]
Sets = dict[str, set[str]]


def weigh(x: Numbers, was_bought: Numbers) -> dict[str, float]:
    """The weights of `FEATURES` and the intercept, by maximum likelihood."""
    weights, intercept = logistic.fit(x, was_bought, ridge=0.001)
    return dict(zip(FEATURES, weights.tolist(), strict=True)) | {"intercept": intercept}


def chances(x: Numbers, weights: dict[str, float]) -> Numbers:
    """Probability of each candidate to be in the next order."""
    linear = x @ np.array([weights[name] for name in FEATURES]) + weights["intercept"]
    return np.asarray(1 / (1 + np.exp(-linear)), dtype=np.float64)


@dataclass(frozen=True)
class Cut:
    """The candidates of those judged at a cut, and what they then bought."""

    customer_ids: list[str]
    product_ids: list[str]
    x: Numbers
    own_place: Numbers
    popular_place: Numbers
    baskets: Sets

    @property
    def was_bought(self) -> Numbers:
        """1 where the candidate is in the person's next order, else 0."""
        pairs = zip(self.customer_ids, self.product_ids, strict=True)
        return np.array([product in self.baskets[customer] for customer, product in pairs], dtype=np.float64)

    def first(self, *keys: Numbers) -> Lists:
        """The first products per person in ascending order of the keys, the first key first; then by product."""
        order = np.lexsort((np.array(self.product_ids), *reversed(keys)))
        lists: Lists = {customer: [] for customer in self.baskets}
        for row in order.tolist():
            shown = lists[self.customer_ids[row]]
            if len(shown) < SHOWN:
                shown.append(self.product_ids[row])
        return lists

    def first_new(self, *keys: Numbers) -> Lists:
        """`first`, without what the person has bought before."""
        new = np.isnan(self.own_place)
        kept = Cut(
            [each for each, is_new in zip(self.customer_ids, new, strict=True) if is_new],
            [each for each, is_new in zip(self.product_ids, new, strict=True) if is_new],
            self.x[new],
            self.own_place[new],
            self.popular_place[new],
            self.baskets,
        )
        return kept.first(*(key[new] for key in keys))


def at_cut(cut: int, candidates: pa.Table, baskets: pa.Table) -> Cut:
    """The rows of one cut, from the tables of the models, in an order of their own."""
    rows = candidates.filter(pc.equal(candidates["cut_number"], cut))
    rows = rows.sort_by([("customer_id", "ascending"), ("product_id", "ascending")])
    bought: Sets = {}
    for row in baskets.filter(pc.equal(baskets["cut_number"], cut)).to_pylist():
        bought.setdefault(row["customer_id"], set()).add(row["product_id"])
    columns = [backtest.as_numbers(rows[name]) for name in FEATURES]
    return Cut(
        rows["customer_id"].to_pylist(),
        rows["product_id"].to_pylist(),
        np.column_stack(columns),
        backtest.as_numbers(rows["own_place"]),
        backtest.as_numbers(rows["popular_place"]),
        bought,
    )


def hits(lists: Lists, baskets: Sets) -> Numbers:
    """How many of each person's list are in their next order, in the order of `baskets`."""
    return np.array([len(basket.intersection(lists[customer])) for customer, basket in baskets.items()], dtype=float)


def new_and_popular(popular: Sequence[str], owned: Sets, customers: Sequence[str]) -> Lists:
    """The most popular products that each person has not bought before. `popular`: most popular first."""
    lists = {}
    for customer in customers:
        has = owned.get(customer, set())
        lists[customer] = _first(popular, lambda product: product not in has)  # noqa: B023
    return lists


def _first(products: Sequence[str], wanted: Callable[[str], bool]) -> list[str]:
    found: list[str] = []
    for product in products:
        if len(found) == SHOWN:
            break
        if wanted(product):
            found.append(product)
    return found


def fit(moments: pa.Table, baskets: pa.Table, candidates: pa.Table, popular: pa.Table, purchases: pa.Table) -> Fit:
    """The model, judged. The tables are rows of `int_predictions__...`; the last two of cut 1 only."""
    when = {row["cut_number"]: row for row in moments.to_pylist()}
    as_of = when[0]["moment"].date() if when else None
    if 2 not in when:
        return Fit(MODEL, as_of, False, "too short a history: nothing can be cut off and looked for", code=CODE)
    earlier, later = (at_cut(cut, candidates, baskets) for cut in (2, 1))
    judged = min(len(earlier.baskets), len(later.baskets))
    if judged < PEOPLE:
        reason = f"too few people who ordered again: {judged} in {when[1]['horizon_days']} days, {PEOPLE} are needed"
        return Fit(MODEL, as_of, False, reason, judged, code=CODE)
    bought = earlier.was_bought
    if not 0 < bought.sum() < len(bought):
        return Fit(
            MODEL, as_of, False, "nothing that was proposed was bought: nothing to learn from", judged, code=CODE
        )
    weights = weigh(earlier.x, bought)
    kept = {name: float(f"{value:.{backtest.DIGITS}g}") for name, value in weights.items()}

    said = chances(later.x, kept).round(6)
    lists = later.first(-said)
    by_popularity = np.nan_to_num(later.popular_place, nan=np.inf)
    own, orders, age = (later.x[:, FEATURES.index(name)] for name in ("x_own", "x_own_orders", "x_own_age"))
    # ties by the last order with it, then by popularity: a rule that draws lots among equals is easily beaten
    rivals = {AGAIN: later.first(-own, -orders, age, by_popularity), POPULAR: later.first(by_popularity)}
    found = hits(lists, later.baskets)
    about: dict[str, Any] = {"cut_date": when[1]["moment"].date(), "horizon_days": when[1]["horizon_days"]}
    figures, faults = [], []
    for name, rival in (("buys_again", AGAIN), ("popularity", POPULAR)):
        theirs = hits(rivals[rival], later.baskets)
        rate, other = float(np.mean(found > 0)), float(np.mean(theirs > 0))
        figures.append(Figure(f"hit_rate_at_10_against_{name}", rate, other, rival, **about))
        figures.append(
            Figure(f"bought_of_10_against_{name}", float(np.mean(found)), float(np.mean(theirs)), rival, **about)
        )
        if backtest.better_by(_misses(found), _misses(theirs)) < backtest.SURE:
            faults.append(f"hit rate {rate:.3f} is not surely better than {other:.3f} of: {rival}")
    figures += _of_new(later, said, popular, purchases, about)
    was_bought = later.was_bought
    figures.append(Figure("calibration_error", backtest.calibration_error(was_bought, said), **about))
    figures.append(Figure("people_judged", float(len(later.baskets)), **about))
    compared = [each for each in figures if each.metric.startswith("hit_rate_at_10_against")]
    compared = [each for each in figures if each.metric.startswith("hit_rate_at_10_against")]
    rates = ", ".join(f"{each.naive_value:.3f} ({each.naive_rule})" for each in compared)
    reason = "; ".join(faults) or f"hit rate at 10: {float(np.mean(found > 0)):.3f} against {rates}"
    return Fit(MODEL, as_of, not faults, reason, len(earlier.baskets), kept, figures, CODE)


def kept(
    moments: pa.Table, baskets: pa.Table, candidates: pa.Table, popular: pa.Table, purchases: pa.Table
) -> pa.Table:
    """The rows of `fit`, as they are kept (`KEPT`)."""
    found = fit(moments, baskets, candidates, popular, purchases).rows()
    now = pa.scalar(datetime.now(UTC).replace(tzinfo=None), pa.timestamp("us"))
    extra = (pa.repeat(pa.scalar(CODE), len(found)), pa.repeat(now, len(found)))
    return pa.Table.from_arrays([*found.columns, *extra], schema=KEPT)


def holds(held: pa.Table, moments: pa.Table) -> bool:
    """Whether what is held (`KEPT`) was learned from these moments, or later, by this code."""
    if "code" not in held.column_names or set(held["code"].to_pylist()) != {CODE}:
        return False
    latest, learned = (pc.max(table["changed_at"]).as_py() for table in (moments, held))
    return latest is None or learned.replace(tzinfo=None) >= latest.replace(tzinfo=None)


def _misses(found: Numbers) -> npt.NDArray[np.float64]:
    return np.asarray(found == 0, dtype=np.float64)


def _of_new(later: Cut, said: Numbers, popular: pa.Table, purchases: pa.Table, about: dict[str, Any]) -> list[Figure]:
    """Hit rate at 10 of products the person has not bought before, among those who bought such."""
    owned: Sets = {}
    for customer, product in zip(
        purchases["customer_id"].to_pylist(), purchases["product_id"].to_pylist(), strict=True
    ):
        owned.setdefault(customer, set()).add(product)
    news = {customer: basket - owned.get(customer, set()) for customer, basket in later.baskets.items()}
    news = {customer: basket for customer, basket in news.items() if basket}
    if not news:
        return []
    by_place = popular.sort_by("place")["product_id"].to_pylist()
    ours = hits(later.first_new(-said), news)
    theirs = hits(new_and_popular(by_place, owned, list(news)), news)
    rates = float(np.mean(ours > 0)), float(np.mean(theirs > 0))
    return [Figure("hit_rate_at_10_of_new_products", *rates, POPULAR, **about)]
