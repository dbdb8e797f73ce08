"""What a ticket is about and how urgent it is: learned from texts that ship and from the user's own labels.

A classifier is kept beside the warehouse under the digest of all it was made of, and never changed; a text is
classified once by each. It is judged by cross-validation, every text by a classifier that has not seen it.
"""

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sklearn
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from kinship.predictions import backtest
from kinship.predictions.backtest import Figure, Fit
from kinship.predictions.text import features
from kinship.predictions.text.features import LONGEST, Representation, representation
from kinship.settings import settings

TOPICS_MODEL, URGENCY_MODEL = "ticket_topics", "ticket_urgency"
SHIPPED = Path(__file__).with_name("tickets.csv")
FOLDS = 5
RIGHT = 0.8
"""A topic is told where so large a share of such tellings was right in cross-validation; otherwise it is not told."""
MARGIN = 0.2
"""By so much the mean F1 of the classes must be above that of always telling the commonest."""
OWN = 100
"""From so many labels of their own on, users are told how the model does on these alone, and it is judged by them."""
NAIVE = "always the commonest"
AT_ONCE = 5_000

SCORES = pa.schema(
    [
        ("text_hash", pa.string()),
        ("model_version", pa.string()),
        ("topic", pa.string()),
        ("topic_confidence", pa.float64()),
        ("urgency", pa.string()),
        ("urgency_confidence", pa.float64()),
    ]
)

Labels = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Example:
    """A text and what people said of it. `is_own`: the user's, not one that ships."""

    text: str
    topic: str
    urgency: str
    is_own: bool = False


@dataclass(frozen=True)
class Judged:
    """One classifier, trained, and what cross-validation found."""

    classifier: Any
    threshold: float
    is_published: bool
    reason: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Trained:
    """Both classifiers and what they were made of. Kept whole: the numbers of another library may be others."""

    topic: Judged
    urgency: Judged
    parameters: dict[str, Any]
    examples: int


def shipped() -> list[Example]:
    """The examples that come with Kinship."""
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        return [Example(row["text"], row["topic"], row["urgency"]) for row in csv.DictReader(file)]


def own(labels: pa.Table, texts: pa.Table) -> list[Example]:
    """The user's examples: rows of the seed `ticket_labels` whose ticket is known, in a fixed order."""
    text_of = dict(zip(texts["ticket_id"].to_pylist(), texts["text"].to_pylist(), strict=True))
    rows = [row for row in labels.to_pylist() if text_of.get(row["ticket_id"]) and row["topic"]]
    rows.sort(key=lambda row: (row["ticket_id"], row["topic"]))
    return [
        Example(text_of[row["ticket_id"]][:LONGEST], row["topic"], row["urgency"] or "normal", is_own=True)
        for row in rows
    ]


def ready(examples: Sequence[Example]) -> Trained:
    """The classifiers for these examples: the kept ones, or new ones, which are then kept."""
    how = representation()
    made_of = {
        "representation": f"{how.name} {how.version}",
        "examples": _digest(examples),
        "scikit_learn": sklearn.__version__,
        "code": backtest.code_version(__file__, features.__file__),
    }
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    target = settings().state / "predictions" / "tickets" / key
    if not target.exists():
        trained = train(examples, how, made_of)
        written = target.with_name(f".{key}")
        shutil.rmtree(written, ignore_errors=True)
        written.mkdir(parents=True)
        joblib.dump(trained, written / "classifiers.joblib")
        written.rename(target)
    kept: Trained = joblib.load(target / "classifiers.joblib")
    return kept


def train(examples: Sequence[Example], how: Representation, made_of: dict[str, Any]) -> Trained:
    """Train on all examples; judge by cross-validation. Topics with fewer than `FOLDS` examples are left out."""
    counts = Counter(example.topic for example in examples)
    enough = [example for example in examples if counts[example.topic] >= FOLDS]
    read = how.read([example.text for example in enough])
    is_own = np.array([example.is_own for example in enough])
    with threadpool_limits(1):  # small matrices: threads only wait for each other
        topic = _judged(how, read, np.array([example.topic for example in enough]), is_own, is_cautious=True)
        urgency = _judged(how, read, np.array([example.urgency for example in enough]), is_own, is_cautious=False)
    made_of = made_of | {"own_examples": int(is_own.sum()), "topics": sorted(set(counts))}
    return Trained(topic, urgency, made_of, len(enough))


def _judged(
    how: Representation, read: Any, truth: Labels, is_own: npt.NDArray[np.bool_], *, is_cautious: bool
) -> Judged:
    classes = np.unique(truth)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    chances = cross_val_predict(how.classifier(), read, truth, cv=folds, method="predict_proba")
    said, confidence = classes[chances.argmax(axis=1)], chances.max(axis=1)
    judges = is_own if is_own.sum() >= OWN else np.ones(len(truth), dtype=bool)
    whose = "your own labels" if is_own.sum() >= OWN else "the texts that ship" + (" and your own" * bool(is_own.any()))
    figures = _figures("", truth[judges], said[judges], classes)
    if is_own.sum() >= OWN:
        figures += _figures("all_examples_", truth, said, classes)
    threshold = 0.0
    if is_cautious:
        threshold = _threshold(confidence[judges], said[judges] == truth[judges])
        told = judges & (confidence >= threshold)
        figures.append(Figure("threshold", threshold))
        figures.append(Figure("share_told", float(np.sum(told) / np.sum(judges))))
        figures.append(
            Figure("accuracy_where_told", float(np.mean(said[told] == truth[told])) if told.any() else np.nan)
        )
    by_name = {figure.metric: figure for figure in figures}
    accuracy, f1 = by_name["accuracy"], by_name["macro_f1"]
    wrong, naive_wrong = (said != truth)[judges], (_commonest(truth[judges]) != truth[judges])
    sure = backtest.better_by(wrong.astype(float), naive_wrong.astype(float)) >= backtest.SURE
    better = sure and f1.value >= (f1.naive_value or 0.0) + MARGIN and threshold <= 1
    reason = (
        f"cross-validated on {whose}: accuracy {accuracy.value:.3f} against {accuracy.naive_value:.3f} ({NAIVE}),"
        f" macro F1 {f1.value:.3f} against {f1.naive_value:.3f}; at least {MARGIN} more is asked for"
    )
    return Judged(how.classifier().fit(read, truth), threshold, better, reason, tuple(figures))


def _figures(prefix: str, truth: Labels, said: Labels, classes: Labels) -> list[Figure]:
    plain = _commonest(truth)
    scores = {"labels": classes, "average": "macro", "zero_division": 0}
    figures = [
        Figure(f"{prefix}accuracy", float(np.mean(said == truth)), float(np.mean(plain == truth)), NAIVE),
        Figure(f"{prefix}macro_f1", f1_score(truth, said, **scores), f1_score(truth, plain, **scores), NAIVE),
    ]
    found, plainly = (
        recall_score(truth, each, labels=classes, average=None, zero_division=0) for each in (said, plain)
    )
    return figures + [
        Figure(f"{prefix}recall_{name}", float(one), float(other), NAIVE)
        for name, one, other in zip(classes, found, plainly, strict=True)
    ]


def _commonest(truth: Labels) -> Labels:
    names, counts = np.unique(truth, return_counts=True)
    return np.full(len(truth), names[counts.argmax()])


def _threshold(confidence: npt.NDArray[np.float64], is_right: Mask) -> float:
    """The lowest confidence, in steps of .05, from which on `RIGHT` of what is told is right; 1.01 if there is none."""
    for step in range(20):
        told = confidence >= step / 20
        if told.any() and is_right[told].mean() >= RIGHT:
            return step / 20
    return 1.01


def fit(labels: pa.Table, texts: pa.Table, as_of: date | None) -> pa.Table:
    """What became of both models, schema `backtest.FIT`."""
    trained = ready(shipped() + own(labels, texts))
    code = backtest.code_version(__file__, features.__file__)
    fits = [
        Fit(
            name,
            as_of,
            judged.is_published,
            judged.reason,
            trained.examples,
            trained.parameters | {"threshold": judged.threshold},
            judged.figures,
            code,
        )
        for name, judged in ((TOPICS_MODEL, trained.topic), (URGENCY_MODEL, trained.urgency))
    ]
    return pa.concat_tables([each.rows() for each in fits])


def score(fitted: pa.Table, labels: pa.Table, texts: pa.Table, scored: pa.Table | None) -> pa.Table:
    """Topic and urgency of the texts that this version has not seen, schema `SCORES`, one row per different text.

    `fitted`: rows of `fit`; `texts`: ticket_id, text, text_hash; `scored`: what this function has returned so far. A
    topic told with less confidence than the threshold is NULL.
    """
    version = next(
        row["model_version"] for row in fitted.to_pylist() if row["model"] == TOPICS_MODEL and row["metric"] is None
    )
    seen = set()
    if scored is not None:
        pairs = zip(scored["text_hash"].to_pylist(), scored["model_version"].to_pylist(), strict=True)
        seen = {text_hash for text_hash, by in pairs if by == version}
    new = {
        text_hash: text
        for text_hash, text in zip(texts["text_hash"].to_pylist(), texts["text"].to_pylist(), strict=True)
        if text_hash not in seen
    }
    if not new:
        return SCORES.empty_table()
    trained, how = ready(shipped() + own(labels, texts)), representation()
    hashes = sorted(new)
    parts = [hashes[start : start + AT_ONCE] for start in range(0, len(hashes), AT_ONCE)]
    return pa.concat_tables([_scored(trained, how, part, [new[each] for each in part], version) for part in parts])


def _scored(trained: Trained, how: Representation, hashes: list[str], texts: list[str], version: str) -> pa.Table:
    read = how.read([text[:LONGEST] for text in texts])
    columns: list[Any] = [hashes, [version] * len(hashes)]
    with threadpool_limits(1):
        for judged in (trained.topic, trained.urgency):
            chances = judged.classifier.predict_proba(read)
            confidence = chances.max(axis=1).round(6)
            names = judged.classifier.classes_[chances.argmax(axis=1)].tolist()
            told = confidence >= judged.threshold
            columns += [[name if is_told else None for name, is_told in zip(names, told, strict=True)], confidence]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCORES, strict=True)], SCORES)


def _digest(examples: Sequence[Example]) -> str:
    said = sorted((each.text, each.topic, each.urgency, each.is_own) for each in examples)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
