"""Topics and urgency of tickets: what is learned, from what, when it is told, and what never leaves."""

import csv
import sys
import textwrap
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from conftest import ROOT

from kinship.errors import WrongUse
from kinship.predictions.text import features, tickets
from kinship.predictions.text.features import SETTING, concepts, representation
from kinship.predictions.text.tickets import Example

sys.path.insert(0, str(ROOT / "benchmarks"))

import text as text_benchmark

NO_LABELS = pa.table({name: pa.array([], pa.string()) for name in ("ticket_id", "topic", "urgency")})


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.delenv(SETTING, raising=False)


@pytest.fixture(scope="module")
def trained() -> tickets.Trained:
    return tickets.train(tickets.shipped(), representation(), {"representation": "terms"})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """A few examples in place of those that ship, so that training takes no time."""
    few = [
        Example(text, topic, urgency)
        for topic, urgency, words in (
            ("delivery", "high", "parcel courier late"),
            ("praise", "low", "great lovely thanks"),
            ("account_login", "normal", "password account reset"),
        )
        for text in (f"{words} {number} {words[::-1]}" for number in "abcdefgh")
    ]
    monkeypatch.setattr(tickets, "shipped", lambda: few)
    return few


def texts_of(*said: str) -> pa.Table:
    return pa.table(
        {
            "ticket_id": [f"t{place}" for place in range(len(said))],
            "text": list(said),
            "text_hash": [f"hash of {each}" for each in said],
        }
    )


def test_the_examples_that_ship_are_whole() -> None:
    examples = tickets.shipped()
    assert len(examples) >= 300
    assert len({each.text for each in examples}) == len(examples)
    assert min(Counter(each.topic for each in examples).values()) >= 40
    assert {each.urgency for each in examples} == {"low", "normal", "high"}
    with tickets.SHIPPED.open(encoding="utf-8", newline="") as file:
        assert {row["language"] for row in csv.DictReader(file)} == {"en", "de", "fr", "es", "pl", "bg", "th"}


def test_no_example_is_a_sentence_of_the_demo() -> None:
    from demo import texts

    told = {
        each.lower().strip(" .!?¿¡")
        for table in (texts.SUBJECTS, texts.MATTERS)
        for language in table.values()
        for each in (sentence for sentences in language.values() for sentence in sentences)
    }
    assert not told & {each.text.lower().strip(" .!?¿¡") for each in tickets.shipped()}


def test_a_term_begins_a_word_in_every_script() -> None:
    assert "parcel" in concepts("Wo ist mein PAKET?") and "parcel" in concepts("Къде ми е колетът")
    assert "parcel" in concepts("ตามหาพัสดุหน่อย")  # no blank before it
    assert "bill" not in concepts("possibill")


def test_both_models_are_better_than_the_commonest_and_say_so(trained: tickets.Trained) -> None:
    for judged, least in ((trained.topic, 0.75), (trained.urgency, 0.85)):
        by_name = {figure.metric: figure for figure in judged.figures}
        accuracy = by_name["accuracy"]
        assert judged.is_published
        assert accuracy.value > least > (accuracy.naive_value or 0)
        assert by_name["macro_f1"].value > 0.75
        assert len([name for name in by_name if name.startswith("recall_")]) == len(judged.classifier.classes_)


def test_tickets_of_the_demo_are_told_apart(trained: tickets.Trained) -> None:
    """Their truth is known to tests alone."""
    written = text_benchmark.demo_tickets(per_topic=6)
    said = trained.topic.classifier.predict([each["text"] for each in written])
    urgency = trained.urgency.classifier.predict([each["text"] for each in written])
    right = [one in text_benchmark.TOPICS[each["topic"]] for one, each in zip(said, written, strict=True)]
    urgent = np.array([each["is_urgent"] for each in written])
    assert np.mean(right) > 0.85
    assert np.mean(urgency[urgent] == "high") > 0.75
    assert np.mean(urgency[~urgent] == "high") < 0.1


def test_labels_without_a_pattern_are_not_published() -> None:
    chance = Random(1)
    words = ["red", "green", "parcel", "one", "two", "three", "four", "five"]
    noise = [
        Example(" ".join(chance.choices(words, k=4)), chance.choice(["left", "middle", "right"]), "normal")
        for _ in range(80)
    ]
    noise += [Example("red one", "left", "low")] * 5
    judged = tickets.train(noise, representation(), {})
    assert not judged.topic.is_published
    assert "at least" in judged.topic.reason


def test_the_threshold_is_the_lowest_that_is_right_often_enough() -> None:
    confidence = np.array([0.2, 0.4, 0.6, 0.8, 0.9])
    assert tickets._threshold(confidence, np.array([True] * 5)) == 0
    assert tickets._threshold(confidence, np.array([False, False, True, True, True])) == pytest.approx(0.45)
    assert tickets._threshold(confidence, np.array([False] * 5)) > 1


def test_own_labels_and_topics_join_and_are_judged_alone_when_many(quick: list[Example]) -> None:
    said = [f"spare part for mower {place} {'blade' if place % 2 else 'wheel'}" for place in range(120)]
    labels = pa.table(
        {
            "ticket_id": [f"t{place}" for place in range(120)],
            "topic": ["blades" if place % 2 else "wheels" for place in range(120)],
            "urgency": ["high" if place % 2 else None for place in range(120)],
        }
    )
    examples = tickets.shipped() + tickets.own(labels, texts_of(*said))
    assert Counter(each.is_own for each in examples) == {True: 120, False: 24}
    judged = tickets.train(examples, representation(), {})
    assert "your own labels" in judged.topic.reason
    assert {figure.metric for figure in judged.topic.figures} >= {"accuracy", "all_examples_accuracy", "recall_blades"}
    assert {"blades", "wheels"} <= set(judged.topic.classifier.classes_)
    # a label of a ticket that is gone says nothing
    assert tickets.own(labels, texts_of()) == []


def test_only_new_texts_are_classified_and_all_in_parts_equals_all_at_once(quick: list[Example]) -> None:
    said = ["parcel courier late", "great lovely", "password reset", "parcel courier late", "thanks"]
    fitted = tickets.fit(NO_LABELS, texts_of(*said), None)
    whole = tickets.score(fitted, NO_LABELS, texts_of(*said), None)
    assert whole.num_rows == 4  # one text is said twice
    first = tickets.score(fitted, NO_LABELS, texts_of(*said[:2]), None)
    rest = tickets.score(fitted, NO_LABELS, texts_of(*said), first)
    assert (first.num_rows, rest.num_rows) == (2, 2)
    assert pa.concat_tables([first, rest]).sort_by("text_hash").equals(whole.sort_by("text_hash"))
    assert tickets.score(fitted, NO_LABELS, texts_of(*said), whole).num_rows == 0
    # a classifier of other examples is another version: all texts are new to it
    labels = pa.table({"ticket_id": [f"t{n}" for n in range(5)], "topic": ["delivery"] * 5, "urgency": ["high"] * 5})
    other = tickets.fit(labels, texts_of(*said), None)
    assert tickets.score(other, labels, texts_of(*said), whole).num_rows == 4


def test_a_classifier_is_trained_once(quick: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = tickets.fit(NO_LABELS, texts_of(), None)
    monkeypatch.setattr(tickets, "train", lambda *_: pytest.fail("trained again"))
    assert tickets.fit(NO_LABELS, texts_of(), None).equals(fitted)
    assert tickets.score(fitted, NO_LABELS, texts_of("parcel late"), None).num_rows == 1


def test_what_is_not_sure_is_not_told(quick: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = tickets.fit(NO_LABELS, texts_of(), None)
    kept = tickets.ready(tickets.shipped())
    sure = tickets.Trained(
        tickets.Judged(kept.topic.classifier, 0.7, True, "", ()), kept.urgency, kept.parameters, kept.examples
    )
    monkeypatch.setattr(tickets, "ready", lambda _: sure)
    rows = tickets.score(fitted, NO_LABELS, texts_of("parcel courier late", "zzz"), None).to_pylist()
    assert {row["text_hash"]: row["topic"] for row in rows} == {
        "hash of parcel courier late": "delivery",
        "hash of zzz": None,
    }
    assert all(row["urgency"] and 0 < row["topic_confidence"] < 1 for row in rows)


def test_texts_stay_out_of_what_is_written_down(quick: list[Example]) -> None:
    secret = [f"my secret is swordfish {number}" for number in range(6)]
    labels = pa.table({"ticket_id": [f"t{n}" for n in range(6)], "topic": ["delivery"] * 6, "urgency": ["normal"] * 6})
    fitted = tickets.fit(labels, texts_of(*secret), None)
    scored = tickets.score(fitted, labels, texts_of(*secret), None).drop_columns(["text_hash"])
    assert "swordfish" not in str(fitted.to_pylist()) + str(scored.to_pylist())


MODEL = """
    import pickle
    from pathlib import Path

    def load(folder):
        steps = pickle.loads((Path(folder) / "steps.pickle").read_bytes())
        return lambda texts: steps.transform(texts)
"""


def test_a_sentence_model_of_a_folder_is_used(
    quick: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, if a small one: hashed words, and their 8 main directions."""
    import pickle

    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.pipeline import make_pipeline

    folder = tmp_path / "model"
    folder.mkdir()
    steps = make_pipeline(HashingVectorizer(n_features=256), TruncatedSVD(8, random_state=0))
    steps.fit([each.text for each in quick])
    (folder / "steps.pickle").write_bytes(pickle.dumps(steps))
    (folder / "sentence_model.py").write_text(textwrap.dedent(MODEL))
    plain = tickets.fit(NO_LABELS, texts_of(), None)
    monkeypatch.setenv(SETTING, str(folder))
    fitted = tickets.fit(NO_LABELS, texts_of(), None)
    assert representation().name == "sentences"
    assert fitted["model_version"][0] != plain["model_version"][0]
    assert fitted["is_published"][0].as_py()
    rows = tickets.score(fitted, NO_LABELS, texts_of("parcel courier late", "password account"), None).to_pylist()
    assert {row["topic"] for row in rows} == {"delivery", "account_login"}
    # another model in the same place is another version
    version = representation().version
    (folder / "weights.bin").write_bytes(b"1")
    assert representation().version != version


def tiny(texts: list[str]) -> list[list[float]]:
    """An entry point, as `test_text:tiny`."""
    return [[len(each), each.count("a")] for each in texts]


def flat(texts: list[str]) -> list[float]:
    """Not what is asked for: one number per text, not a row."""
    return [0.0 for _ in texts]


def test_a_sentence_model_of_an_entry_point_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, f"{__name__}:tiny")
    assert representation().read(["banana", "b"]).tolist() == [[6, 3], [1, 0]]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("/nowhere/at/all", "neither a folder nor an entry point"),
        ("no.such.module:encode", "cannot be imported"),
        (f"{__name__}:nothing", "cannot be imported"),
        (f"{__name__}:NO_LABELS", "no function of a list of texts"),
        (f"{__name__}:flat", "one row of numbers for each text"),
    ],
)
def test_a_sentence_model_that_is_not_there_is_told(named: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, named)
    with pytest.raises(WrongUse, match=said):
        representation().read(["what a customer wrote"])


def test_a_folder_without_a_model_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    with pytest.raises(WrongUse, match=r"has no sentence_model\.py"):
        representation().read(["what a customer wrote"])
    (tmp_path / "sentence_model.py").write_text("x = 1\n")
    with pytest.raises(WrongUse, match="no function load"):
        features._model_in.__wrapped__(tmp_path)


@pytest.mark.skipif(not text_benchmark.BANKING.exists(), reason="needs ../shared/data/banking77")
def test_a_part_of_banking77() -> None:
    found = text_benchmark.banking77(sample=12)
    assert found["accuracy"] > 0.85


@pytest.mark.slow
@pytest.mark.skipif(not text_benchmark.BANKING.exists(), reason="needs ../shared/data/banking77")
def test_banking77() -> None:
    assert text_benchmark.banking77()["accuracy"] > 0.88
