"""A steward's questions and answers: the review queue, two people side by side, the decision written into the seed."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


class AlreadyDecided(WrongUse):
    """Somebody has answered the question in the meantime."""


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
class Decision:
    """A line of the seed about two records, as long as it holds. `decided_on` and `expires_on` are ISO days."""

    answer: str  # same or different
    left: Record
    right: Record
    author: str
    reason: str
    decided_on: str
    expires_on: str  # empty: for good

    @property
    def pair(self) -> frozenset[Record]:
        return frozenset((self.left, self.right))


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
    decided = {one.pair for one in decisions()}
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
            select * exclude (attributes_hash, changed_at)
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


def decisions() -> list[Decision]:
    """The decisions about two records that hold today, in the seed's order."""
    return [decision for _, decision in _lines(_text()) if decision]


def decide(question: Question, answer: str, author: str, reason: str, expires_on: date | None = None) -> None:
    """Append a decision to the seed, the rest of which stays byte for byte. The next run builds with it.

    `answer` is `same` or `different`. Raises `AlreadyDecided` when somebody was faster, and `WrongUse` without an
    author or a reason: a decision that nobody can account for is not kept.
    """
    if answer not in ACTIONS:
        raise WrongUse(f"the answer must be {' or '.join(ACTIONS)}, got {answer!r}")
    if not author.strip() or not reason.strip():
        raise WrongUse("a decision needs an author and a reason (--author, --reason)")
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
    with _alone():
        before = _text()
        for _, one in _lines(before):
            if one and one.pair == frozenset((question.left, question.right)):
                raise AlreadyDecided(f"{one.author} has decided on {one.decided_on} that they are {_said(one)}")
        line = io.StringIO(newline="")
        csv.DictWriter(line, _header(before), restval="", lineterminator="\n").writerow(row)
        _write((before if before.endswith("\n") else before + "\n") + line.getvalue())


def undo(left: Record, right: Record) -> int:
    """Take back what was decided about two records, either way round; returns how many lines went."""
    with _alone():
        lines = _lines(_text())
        kept = [raw for raw, decision in lines if not (decision and decision.pair == frozenset((left, right)))]
        if len(kept) < len(lines):
            _write("".join(kept))
    return len(lines) - len(kept)


def _said(decision: Decision) -> str:
    return "one person" if decision.answer == "same" else "two people"


@contextmanager
def _alone() -> Iterator[None]:
    """One writer of the seed at a time, of whatever process. The folder is locked, as the file is replaced."""
    folder = os.open(overrides_path().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _text() -> str:
    """The seed as it is, its line ends and a byte order mark included; its header alone when there is none yet."""
    path = overrides_path()
    return path.read_bytes().decode() if path.exists() else ",".join(COLUMNS) + "\n"


def _header(text: str) -> list[str]:
    """The columns of the seed, in its order. Raises `KinshipError` when some are missing: decisions would be lost."""
    header = next(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")), [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        wanted = ",".join(COLUMNS)
        raise KinshipError(f"{overrides_path()}: the header lacks {', '.join(missing)}; it must be {wanted}")
    return header


def _lines(text: str) -> list[tuple[str, Decision | None]]:
    """Every line as it is written (of several where a value holds line breaks), and the decision that it holds."""
    header = _header(text)
    answers = {action: answer for answer, action in ACTIONS.items()}
    today = date.today().isoformat()
    read: list[str] = []

    def noted() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            read.append(line)
            yield line

    found: list[tuple[str, Decision | None]] = []
    for number, values in enumerate(csv.reader(noted())):
        row = dict.fromkeys(COLUMNS, "") | dict(zip(header, values, strict=False))
        decision = None
        if number and row["action"] in answers and (not row["expires_on"] or row["expires_on"] >= today):
            left, right = (Record(row[f"{side}_source"], row[f"{side}_record_id"]) for side in ("left", "right"))
            decision = Decision(
                answers[row["action"]], left, right, row["author"], row["reason"], row["decided_on"], row["expires_on"]
            )
        found.append(("".join(read), decision))
        read.clear()
    return found


def _write(text: str) -> None:
    path = overrides_path()
    written = path.with_suffix(".csv.part")
    with written.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
