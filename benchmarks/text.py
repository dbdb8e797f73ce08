"""How well texts become topics, on two sets that the product does not ship.

    python benchmarks/text.py banking77 [--folder FOLDER_OF_A_SENTENCE_MODEL]
    python benchmarks/text.py demo

`banking77`: 10,003 real questions to a bank, 77 intents (`../shared/data/banking77`); four fifths to learn from, one to
be tested on, both drawn by us. Learned with words and parts of words (`kinship.predictions.text.features`), or with the
sentence model that `KINSHIP_SENTENCE_MODEL` names. `demo`: the classifier that ships, on tickets as the demo writes
them in seven languages; none of their sentences is in the examples, but both were written in one house.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from demo import texts  # noqa: E402
from kinship.predictions.text import tickets  # noqa: E402
from kinship.predictions.text.features import SETTING, representation, word_features  # noqa: E402

BANKING = ROOT.parent / "shared" / "data" / "banking77" / "banking77_train.parquet"
TOPICS = {
    "delivery": {"delivery"},
    "damaged": {"damaged_or_wrong"},
    # the demo's topic holds orders to be cancelled, too
    "refund": {"return_refund", "cancel_change_order"},
    "login": {"account_login"},
    "invoice": {"payment_invoice"},
    "question": {"product_question"},
    "praise": {"praise"},
}


def banking77(sample: int | None = None) -> dict[str, float]:
    """Accuracy, macro F1, seconds to learn and texts per second on the test part. `sample`: so many intents."""
    rows = duckdb.sql(f"select text, category from '{BANKING}' order by text").fetchall()
    chosen = sorted({row[1] for row in rows})[:sample]
    told = [row[0] for row in rows if row[1] in chosen]
    truth = [row[1] for row in rows if row[1] in chosen]
    learn, test, learn_truth, test_truth = train_test_split(told, truth, test_size=0.2, random_state=0, stratify=truth)
    how = representation()
    regression = LogisticRegression(C=10.0, max_iter=1000)
    classifier = regression if how.name == "sentences" else make_pipeline(word_features(), regression)
    with threadpool_limits(1):
        began = time.perf_counter()
        classifier.fit(how.read(learn), learn_truth)
        learned = time.perf_counter()
        said = classifier.predict(how.read(test))
        done = time.perf_counter()
    return {
        "accuracy": float(np.mean(said == np.array(test_truth))),
        "macro_f1": float(f1_score(test_truth, said, average="macro")),
        "learned_from": float(len(learn)),
        "tested_on": float(len(test)),
        "seconds_to_learn": learned - began,
        "texts_per_second": len(test) / (done - learned),
    }


def demo_tickets(per_topic: int = 40, seed: int = 5) -> list[dict[str, Any]]:
    """Tickets as the demo writes them: language, topic, is_urgent, text."""
    chance = Random(seed)
    written = []
    for language in texts.MATTERS:
        for topic in texts.TOPICS:
            for number in range(per_topic):
                is_urgent = topic != "praise" and chance.random() < 0.3
                subject, body = texts.message(
                    topic, language, f"#{1000 + number}", "Lavender Candle", "Ann Lee", chance, urgent=is_urgent
                )
                text = f"{subject}\n{body}"
                written.append({"language": language, "topic": topic, "is_urgent": is_urgent, "text": text})
    return written


def demo(per_topic: int = 40) -> dict[str, float]:
    """What the classifier that ships makes of the demo's tickets: accuracy by language and topic, urgency."""
    how = representation()
    began = time.perf_counter()
    trained = tickets.train(tickets.shipped(), how, {})
    learned = time.perf_counter()
    written = demo_tickets(per_topic)
    read = how.read([each["text"] for each in written])
    topics = trained.topic.classifier.predict(read)
    done = time.perf_counter()
    urgencies = trained.urgency.classifier.predict(read)
    right = np.array([said in TOPICS[each["topic"]] for said, each in zip(topics, written, strict=True)])
    found = {"accuracy": float(right.mean())}
    for key in ("language", "topic"):
        for value in sorted({each[key] for each in written}):
            found[f"{key}_{value}"] = float(right[[each[key] == value for each in written]].mean())
    urgent = np.array([each["is_urgent"] for each in written])
    found["urgent_found"] = float(np.mean(urgencies[urgent] == "high"))
    found["urgent_in_vain"] = float(np.mean(urgencies[~urgent] == "high"))
    found["seconds_to_learn_and_judge"] = learned - began
    found["texts_per_second"] = len(written) / (done - learned)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("banking77", "demo"))
    parser.add_argument("--folder", help="of a sentence model, in place of " + SETTING)
    arguments = parser.parse_args()
    if arguments.folder:
        os.environ[SETTING] = arguments.folder
    for name, value in (banking77() if arguments.what == "banking77" else demo()).items():
        print(f"{name:28} {value:12.4f}")
    print(f"{'peak memory, MB':28} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:12.0f}")


if __name__ == "__main__":
    main()
