"""Who does not order in the next days (variable `churn_days`): every buyer's probability, judged against recency."""

import numpy as np
import pyarrow as pa

from kinship.predictions import backtest, classifier, logistic
from kinship.predictions.backtest import Fit, Numbers, as_numbers, code_version
from kinship.predictions.classifier import Examples, probabilities

MODEL = "churn"
NAIVE = "share lost of those whose last order was as long ago"

FEATURES = (
    "days_since_order",
    "order_days",
    "age_days",
    "gaps_since_order",
    "has_ordered_once",
    "order_days_30",
    "order_days_90",
    "order_days_365",
    "order_value_eur",
    "events_30",
    "events_90",
    "carts_90",
    "answers_90",
    "tickets_90",
)

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("model_version", pa.string()),
        ("churn_probability", pa.float64()),
    ]
)

_EVENTS = ("events_30", "events_90", "carts_90", "answers_90", "tickets_90")


def examples(orders: pa.Table, activity: pa.Table, outcomes: pa.Table | None = None) -> tuple[Examples, list[str]]:
    """Examples of all cuts, and whom they are about. Rows of this model in the three tables of features and outcomes.

    Whoever has no row of activity or outcome did nothing. At cut 0, and without outcomes, no answer is known.
    """
    keys = ["cut_number", "customer_id"]
    joined = orders.join(activity.select([*keys, *_EVENTS]), keys, join_type="left outer")
    if outcomes is not None:
        joined = joined.join(outcomes.select([*keys, "order_days_after"]), keys, join_type="left outer")
    joined = joined.sort_by([("customer_id", "ascending"), ("cut_number", "ascending")])
    column = {
        name: np.nan_to_num(as_numbers(joined[name])) for name in joined.column_names if name not in [*keys, "model"]
    }
    since = column["age_days"] - column["recency_days"]
    days = column["order_days"]
    gap = np.where(days > 1, column["recency_days"] / np.maximum(days - 1, 1), column["age_days"])
    value = np.maximum(column["value_eur"], 0) / np.maximum(days, 1)
    logs = [np.log1p(each) for each in (since, days, column["age_days"], since / np.maximum(gap, 1))]
    logs += [(days == 1).astype(float)]
    logs += [np.log1p(column[name]) for name in ("order_days_30", "order_days_90", "order_days_365")]
    logs += [np.log1p(value), *(np.log1p(column[name]) for name in _EVENTS)]
    cut = as_numbers(joined["cut_number"]).astype(np.int64)
    y = np.full(len(cut), np.nan)
    if outcomes is not None:
        y = np.where(cut > 0, (column["order_days_after"] == 0).astype(float), np.nan)
    ids = joined["customer_id"].combine_chunks()
    person = np.asarray(ids.dictionary_encode().indices, dtype=np.int64)
    return Examples(person, cut, np.column_stack(logs), y, since), ids.to_pylist()


def by_recency(seen: Examples, asked: Examples) -> tuple[Numbers, Numbers]:
    """The naive rule: the share lost, before, among the tenth of buyers whose last order was as many days ago."""
    edges = np.unique(np.quantile(seen.plain, np.linspace(0.1, 0.9, 9)))
    shares = np.full(len(edges) + 1, float(np.mean(seen.y)))
    place = np.searchsorted(edges, seen.plain)
    for each in np.unique(place):
        shares[each] = np.mean(seen.y[place == each])
    return shares[np.searchsorted(edges, asked.plain)], asked.plain


def fit(moments: pa.Table, orders: pa.Table, activity: pa.Table, outcomes: pa.Table) -> Fit:
    """The model as it is now, judged."""
    found, _ = examples(orders, activity, outcomes)
    code = code_version(__file__, classifier.__file__, logistic.__file__)
    return classifier.fit(MODEL, moments.to_pylist(), FEATURES, found, by_recency, NAIVE, code)


def score(fitted: pa.Table, orders: pa.Table, activity: pa.Table) -> pa.Table:
    """Every buyer's probability not to order, `SCORES`; no rows when the model is not published."""
    published = backtest.published(fitted)
    if published is None:
        return SCORES.empty_table()
    version, kept = published
    found, ids = examples(orders, activity)
    now = found.cut == 0
    said = probabilities(kept, found.x[now])
    count = len(said)
    columns = [
        pa.array(ids, pa.string()).filter(pa.array(now)),
        pa.repeat(fitted["as_of_date"][0], count),
        pa.repeat(pa.scalar(version, pa.string()), count),
        pa.array(said),
    ]
    return pa.table(columns, schema=SCORES)
