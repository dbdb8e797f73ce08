"""A steward's questions and answers: the review queue, two people side by side, the decision written into the seed."""

import csv
import io
import os
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

    @property
    def is_merge(self) -> bool:
        return self.question == "merge"


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
        select
            review_id, question, reason, left_source, left_record_id, right_source, right_record_id, rule,
            probability, consequence, detail, left_record_count, right_record_count
        from identity.identity_review_queue
        where ? is null or starts_with(review_id, ?)
        order by consequence desc, review_id
        """,
        [review_id, review_id],
    ).fetchall()
    decided = _decided()
    found = [
        Question(r[0], r[1], r[2], Record(r[3], r[4]), Record(r[5], r[6]), r[7], r[8], r[9], r[10], r[11], r[12])
        for r in rows
    ]
    return [one for one in found if frozenset((one.left, one.right)) not in decided][:limit]


def profile(connection: duckdb.DuckDBPyConnection, record: Record, *, whole_person: bool) -> Profile:
    """What one side says: of all records of its person, or (when one person may be two) of the record alone."""
    row = connection.execute(
        "select customer_id from identity.identity_graph where source = ? and record_id = ?",
        [record.source, record.record_id],
    ).fetchone()
    customer_id = str(row[0]) if row else ""
    said = connection.execute(
        """
        with mine as (
            select source, record_id from identity.identity_graph
            where case when ? then customer_id = ? else source = ? and record_id = ? end
        ),
        attributes as (
            select * exclude (attributes_hash)
            from identity.int_identity__record_attributes
            semi join mine using (source, record_id)
        ),
        said as (unpivot attributes on * exclude (source, record_id) into name attribute value value)
        select attribute, value from said group by all order by attribute, count(*) desc, value
        """,
        [whole_person, customer_id, record.source, record.record_id],
    ).fetchall()
    attributes: dict[str, list[str]] = {}
    for attribute, value in said:
        attributes.setdefault(str(attribute), []).append(str(value))
    return Profile(customer_id, attributes)


def _header(path: Path) -> list[str]:
    """The columns of the seed, in its order. Raises `KinshipError` when some are missing: decisions would be lost."""
    if not path.exists():
        return list(COLUMNS)
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise KinshipError(f"{path}: the header lacks {', '.join(missing)}; it must be {','.join(COLUMNS)}")
    return header


def _decided() -> set[frozenset[Record]]:
    """The pairs about which the seed holds a decision that is not over."""
    path = overrides_path()
    header = _header(path)
    if not path.exists():
        return set()
    today = date.today().isoformat()
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, header, restval="")
        return {
            frozenset(Record(row[f"{side}_source"], row[f"{side}_record_id"]) for side in ("left", "right"))
            for row in rows
            if row["action"] in ACTIONS.values() and (not row["expires_on"] or row["expires_on"] >= today)
        }


def decide(question: Question, answer: str, author: str, reason: str, expires_on: date | None = None) -> None:
    """Append a decision to the seed, the rest of which stays byte for byte. The next run builds with it.

    `answer` is `same` or `different`. Raises `WrongUse` without an author or a reason: a decision that nobody can
    account for is not kept.
    """
    if answer not in ACTIONS:
        raise WrongUse(f"the answer must be {' or '.join(ACTIONS)}, got {answer!r}")
    if not author.strip() or not reason.strip():
        raise WrongUse("a decision needs an author and a reason (--author, --reason)")
    path = overrides_path()
    header = _header(path)
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
    line = io.StringIO(newline="")
    csv.DictWriter(line, header, restval="", lineterminator="\n").writerow(row)
    before = path.read_bytes() if path.exists() else (",".join(COLUMNS) + "\n").encode()
    written = path.with_suffix(".csv.part")
    with written.open("wb") as file:
        file.write(before if before.endswith(b"\n") else before + b"\n")
        file.write(line.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
