"""Who answers the next campaign, by e-mail and by SMS: a click or a reply, judged against each one's own past rate."""

import numpy as np
import pyarrow as pa

from kinship.predictions import backtest, classifier, logistic
from kinship.predictions.backtest import Fit, Numbers, as_numbers, code_version
from kinship.predictions.classifier import Examples, probabilities

MODEL = "campaign_propensity"
NAIVE = "own share of messages answered so far, one message at the mean share added"

# none of them grows with the length of the history alone, which is another at every cut
FEATURES = (
    "is_sms",
    "sent_60",
    "answered_60",
    "opened_60",
    "answered_rate",
    "answered_rate_60",
    "opened_rate",
    "opened_rate_60",
    "days_since_answer",
)

LONG_AGO = 90.0
"""Days; an answer before that says no more than none."""

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("channel", pa.string()),
        ("as_of_date", pa.date32()),
        ("model_version", pa.string()),
        ("response_probability", pa.float64()),
    ]
)


def examples(features: pa.Table, outcomes: pa.Table | None = None) -> tuple[Examples, pa.Table]:
    """Examples of all cuts, and whom they are about: `customer_id`, `channel`.

    `features` and `outcomes`: the models `int_predictions__campaign_features` and `..._outcomes`. An answer is known
    of those who got a message after the cut.
    """
    keys = ["cut_number", "customer_id", "channel"]
    joined = features if outcomes is None else features.join(outcomes, keys, join_type="left outer")
    joined = joined.sort_by([(key, "ascending") for key in ("customer_id", "channel", "cut_number")])
    counts = ("sent", "sent_60", "answered", "answered_60", "opened", "opened_60")
    sent, sent_60, answered, answered_60, opened, opened_60 = (as_numbers(joined[name]) for name in counts)
    since = np.minimum(np.nan_to_num(as_numbers(joined["days_since_answer"]), nan=LONG_AGO), LONG_AGO)
    ids = joined["customer_id"].combine_chunks()
    is_sms = np.asarray(joined["channel"].to_pylist(), dtype=object) == "sms"
    columns = [is_sms.astype(float)]
    columns += [np.log1p(each) for each in (sent_60, answered_60, opened_60)]
    columns += [answered / (sent + 1), answered_60 / (sent_60 + 1)]
    columns += [opened / (sent + 1), opened_60 / (sent_60 + 1), np.log1p(since)]
    cut = as_numbers(joined["cut_number"]).astype(np.int64)
    person = np.asarray(ids.dictionary_encode().indices, dtype=np.int64)
    plain = np.column_stack([np.minimum(answered, sent), sent])
    y = np.full(len(cut), np.nan)
    if outcomes is not None:
        y = np.where(cut > 0, as_numbers(joined["has_answered"]), np.nan)
    return Examples(person, cut, np.column_stack(columns), y, plain), joined.select(["customer_id", "channel"])


def by_own_rate(seen: Examples, asked: Examples) -> tuple[Numbers, Numbers]:
    """The naive rule."""
    rate = (asked.plain[:, 0] + np.mean(seen.y)) / (asked.plain[:, 1] + 1)
    return rate, rate


def fit(moments: pa.Table, features: pa.Table, outcomes: pa.Table) -> Fit:
    """The model as it is now, judged."""
    found, _ = examples(features, outcomes)
    code = code_version(__file__, classifier.__file__, logistic.__file__)
    return classifier.fit(MODEL, moments.to_pylist(), FEATURES, found, by_own_rate, NAIVE, code)


def score(fitted: pa.Table, features: pa.Table) -> pa.Table:
    """Probability per person and channel on which they have got a message in the last year, `SCORES`; no rows when the
    model is not published."""
    published = backtest.published(fitted)
    if published is None:
        return SCORES.empty_table()
    version, kept = published
    found, people = examples(features)
    now = found.cut == 0
    said = probabilities(kept, found.x[now])
    count = len(said)
    named = people.filter(pa.array(now))
    columns = [
        *(named[name].combine_chunks() for name in ("customer_id", "channel")),
        pa.repeat(fitted["as_of_date"][0], count),
        pa.repeat(pa.scalar(version, pa.string()), count),
        pa.array(said),
    ]
    return pa.table(columns, schema=SCORES)
