"""Texts as numbers: words, parts of words and known terms; or whatever a sentence model of the user's makes of them."""

import csv
import hashlib
import importlib
import os
import re
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from kinship.errors import WrongUse

TERMS = Path(__file__).with_name("terms.csv")
SETTING = "KINSHIP_SENTENCE_MODEL"
LONGEST = 4_000
"""Characters of a text that are looked at; below them people quote what was written before."""


@dataclass(frozen=True)
class Representation:
    """How texts become what a classifier reads.

    `version` changes when the numbers may; `read` turns texts into its input once, `features` makes the untrained
    steps before the classifier (None: the input is numbers already).
    """

    name: str
    version: str
    read: Callable[[Sequence[str]], Any]
    features: Callable[[], Any] | None

    def classifier(self) -> Any:
        """An untrained pipeline: the features, then logistic regression that gives every class the same weight."""
        regression = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
        return make_pipeline(self.features(), regression) if self.features else regression


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Concept -> its terms in all languages. A term begins a word; Thai writes no blanks between words.

    All terms behind one word boundary: a boundary in each is tried at every letter, and takes ten times as long.
    """
    begins: dict[str, list[str]] = {}
    anywhere: dict[str, list[str]] = {}
    with TERMS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            terms = anywhere if row["language"] == "th" else begins
            terms.setdefault(row["concept"], []).append(re.escape(row["term"]))
    return {
        concept: re.compile("|".join([rf"\b(?:{'|'.join(each)})", *anywhere.get(concept, [])]))
        for concept, each in begins.items()
    }


def concepts(text: str) -> list[str]:
    """The concepts that terms of the text belong to, in whichever language: what is learned in one serves all."""
    lowered = text.lower()
    return [concept for concept, pattern in _patterns().items() if pattern.search(lowered)]


def term_features() -> Any:
    """TF-IDF of words and pairs of them, of parts of words, and the concepts named."""
    return make_union(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), min_df=2),
        CountVectorizer(analyzer=concepts, binary=True),
    )


def word_features() -> Any:
    """TF-IDF of words and parts of words alone: for texts of another trade than shops."""
    return make_union(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4)),
    )


def representation() -> Representation:
    """The user's sentence model, if `KINSHIP_SENTENCE_MODEL` names one; else terms."""
    named = os.environ.get(SETTING, "")
    if not named:
        return Representation("terms", hashlib.sha256(TERMS.read_bytes()).hexdigest()[:12], list, term_features)
    folder = Path(named).expanduser()
    version = _digest_of(folder) if folder.is_dir() else hashlib.sha256(named.encode()).hexdigest()[:12]

    def read(texts: Sequence[str]) -> Any:
        model = _model_in(folder) if folder.is_dir() else _model_at(named)
        numbers = np.asarray(model(list(texts)), dtype=np.float64)
        if numbers.ndim != 2 or len(numbers) != len(texts):
            raise WrongUse(
                f"the sentence model of {SETTING} gave an array of shape {numbers.shape} for {len(texts)} texts;"
                " it must give one row of numbers for each text"
            )
        return numbers

    if not folder.is_dir() and ":" not in named:
        raise WrongUse(
            f"{SETTING} is neither a folder nor an entry point: {named}. Give the folder of a model,"
            " or package.module:function (docs/text.md)"
        )
    return Representation("sentences", version, read, None)


Encode = Callable[[list[str]], Any]


@cache
def _model_at(entry_point: str) -> Encode:
    module, _, function = entry_point.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise WrongUse(f"{SETTING} names {entry_point}, which cannot be imported: {error}") from error
    return _callable(found, entry_point)


@cache
def _model_in(folder: Path) -> Encode:
    """`load(folder)` of the folder's own `sentence_model.py`; without one, what sentence-transformers reads there."""
    script = folder / "sentence_model.py"
    if script.exists():
        found = runpy.run_path(str(script)).get("load")
        if found is None:
            raise WrongUse(f"{script} has no function load(folder) that returns the model (docs/text.md)")
        return _callable(found(folder), str(script))
    try:
        transformers = importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise WrongUse(
            f"{SETTING} is the folder {folder}, which has no sentence_model.py, and the package sentence-transformers,"
            " which might read it, is not installed"
        ) from error
    return _callable(transformers.SentenceTransformer(str(folder)).encode, str(folder))


def _callable(model: Any, name: str) -> Encode:
    if not callable(model):
        raise WrongUse(f"what {SETTING} names ({name}) is no function of a list of texts")
    encode: Encode = model
    return encode


def _digest_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(each for each in folder.rglob("*") if each.is_file() and each.suffix != ".pyc"):
        with file.open("rb") as opened:
            digest.update(f"{file.relative_to(folder)}\0{hashlib.file_digest(opened, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()[:12]
