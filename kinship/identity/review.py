"""A steward's questions and answers: the review queue, two people side by side, and the decision written into the seed."""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from kinship.errors import KinshipError, WrongUse
from kinship.identity.evidence import Record
from kinship.settings import ROOT
from kinship.warehouse import has_table

COLUMNS = (
    "action",
    "left_source",
    "left_record_id",
    "right_source",
    "right_record_id",
    "identifier_type",
    "identifier_value",
    "author",
    "reason",
    "decided_on",
    "expires_on",
)
ACTIONS = {"same": "must_link", "different": "cannot_link"}


@dataclass(frozen=True)
class Question:
    """One row of `identity.identity_review_queue`: are the two records one person?"""

    review_id: str
    question: str  # merge: two people who may be one; split: one person who may be two
    reason: str
    left: Record
    right: Record
    rule: str
    probability: float
    consequence: float
    detail: str | None
    left_records: int
    right_records: int


@dataclass(frozen=True)
class Profile:
    """What the records of one side say, by attribute: the distinct values, in order."""

    customer_id: str
    attributes: dict[str, list[str]]


def overrides_path() -> Path:
    """The seed that decisions are written to."""
    return ROOT / "seeds" / "identity_overrides.csv"


def questions(connection: duckdb.DuckDBPyConnection, limit: int, review_id: str | None = None) -> list[Question]:
    """The open questions, most consequential first. What the seed has decided since the last run is left out.

    Raises `WrongUse` when there is no queue yet.
    """
    if not has_table(connection, "identity", "identity_review_queue"):
        raise WrongUse("there is no review queue yet: `kinship run` builds it")
    rows = connection.execute(
        """
        select review_id, question, reason, left_source, left_record_id, right_source, right_record_id, rule, probability,
            consequence, detail, left_record_count, right_record_count
        from identity.identity_review_queue
        where ? is null or review_id = ?
        order by consequence desc, review_id
        """,
        [review_id, review_id],
    ).fetchall()
    decided = {frozenset((left, right)) for _, left, right in decisions()}
    found = [
        Question(r[0], r[1], r[2], Record(r[3], r[4]), Record(r[5], r[6]), r[7], r[8], r[9], r[10], r[11], r[12])
        for r in rows
    ]
    return [one for one in found if frozenset((one.left, one.right)) not in decided][:limit]


def profile(connection: duckdb.DuckDBPyConnection, record: Record, *, whole_person: bool) -> Profile:
    """What one side says: of all records of its person, or (when one person may be two) of the record alone."""
    rows = connection.execute(
        """
        with me as (select customer_id from identity.identity_graph where source = ? and record_id = ?),
        mine as (
            select source, record_id from identity.identity_graph
            where case when ? then customer_id = (select customer_id from me) else source = ? and record_id = ? end
        ),
        said as (
            unpivot (select * exclude (attributes_hash) from identity.int_identity__record_attributes semi join mine using (source, record_id))
            on * exclude (source, record_id) into name attribute value value
        )
        select attribute, value, count(*) from said group by all order by attribute, count(*) desc, value
        """,
        [record.source, record.record_id, whole_person, record.source, record.record_id],
    ).fetchall()
    row = connection.execute(
        "select customer_id from identity.identity_graph where source = ? and record_id = ?",
        [record.source, record.record_id],
    ).fetchone()
    attributes: dict[str, list[str]] = {}
    for attribute, value, _ in rows:
        attributes.setdefault(str(attribute), []).append(str(value))
    return Profile(str(row[0]) if row else "", attributes)


def decisions() -> Iterable[tuple[str, Record, Record]]:
    """The decisions about pairs in the seed: action and the two records. Raises `KinshipError` for a broken file."""
    path = overrides_path()
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise KinshipError(f"{path}: the header lacks {', '.join(sorted(missing))}; it must be {','.join(COLUMNS)}")
        return [
            (
                row["action"],
                Record(row["left_source"], row["left_record_id"]),
                Record(row["right_source"], row["right_record_id"]),
            )
            for row in reader
            if row["action"] != "block_value"
        ]


def decide(question: Question, answer: str, author: str, reason: str, expires_on: date | None = None) -> None:
    """Append a decision to the seed. `answer` is `same` or `different`. The next run builds with it.

    Raises `WrongUse` without an author or a reason: a decision that nobody can account for is not kept.
    """
    if answer not in ACTIONS:
        raise WrongUse(f"the answer must be {' or '.join(ACTIONS)}, got {answer!r}")
    if not author.strip() or not reason.strip():
        raise WrongUse("a decision needs an author and a reason")
    list(decisions())  # refuses a file that the decision would be lost in
    path = overrides_path()
    row = {
        "action": ACTIONS[answer],
        "left_source": question.left.source,
        "left_record_id": question.left.record_id,
        "right_source": question.right.source,
        "right_record_id": question.right.record_id,
        "author": author.strip(),
        "reason": reason.strip(),
        "decided_on": date.today().isoformat(),
        "expires_on": expires_on.isoformat() if expires_on else "",
    }
    before = path.read_text(encoding="utf-8") if path.exists() else ",".join(COLUMNS) + "\n"
    written = path.with_suffix(".csv.part")
    with written.open("w", newline="", encoding="utf-8") as file:
        file.write(before if before.endswith("\n") else before + "\n")
        csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n").writerow(row)
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
