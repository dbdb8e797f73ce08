"""The review queue for a steward at a browser: a question, what speaks for it, and the decision in the seed.

What a steward needs. An exact agreement, or a plain difference, says by itself all that the two values would say: such
a question can be answered from which comparisons agreed, and values stay masked. A near agreement (a nickname, a
spelling, a mailbox that looks alike) and a person whose own records contradict each other are a matter of looking at
the values: such a question can be answered only by someone who may see them.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import access, data
from dashboards.signin import Place
from dashboards.viewer import sign_in, viewer
from kinship.identity import review
from kinship.identity.evidence import Record
from kinship.identity.review import Decision, Question

CLEAR = ("exact", "different", "nothing")
"""How a comparison ends when there is nothing to judge."""

SHOWN = 3
"""Values of one attribute on one side."""

ONE_SIDE = "one side only"

_COMPARISON = re.compile(r"^(?P<attribute>\w+)(?: (?P<how>\w+))? (?P<bits>[+-]\d+(?:\.\d+)?)$")

COLUMNS = (
    "review_id", "question", "reason", "rule", "probability", "consequence", "left_source", "left_record_id",
    "right_source", "right_record_id", "left_record_count", "right_record_count", "detail", "last_seen_at",
    "left_customer_id", "right_customer_id",
)  # fmt: skip
PERSONAL = ("left_record_id", "right_record_id", "detail", "left_customer_id", "right_customer_id")
"""Columns that a list does not show, or not to everybody."""

SHOWN_OF_ID = 12
"""Digits of a question's id that name it, as in `kinship review --list`."""

LISTED = f"""
select {", ".join(COLUMNS)} from identity.identity_review_queue
where (? = '' or question = ?) and (? = '' or reason = ?)
order by consequence desc, review_id
limit ?
"""  # noqa: S608 - our own names

NAMED = f"select {', '.join(COLUMNS)} from identity.identity_review_queue where starts_with(review_id, ?) limit 2"  # noqa: S608

SIDES = """
with places as (
    select 'left' as side, customer_id from identity.identity_graph where source = $1 and record_id = $2
    union all
    select 'right' as side, customer_id from identity.identity_graph where source = $3 and record_id = $4
),

said as (
    select places.side, told.attribute, told.value, coalesce(told.normal_value, lower(told.value)) as form
    from customers.customer_attribute_candidates as told
    inner join places on told.customer_id = places.customer_id
    where
        $5
        or (places.side = 'left' and told.source = $1 and told.record_id = $2)
        or (places.side = 'right' and told.source = $3 and told.record_id = $4)
    union all
    select places.side, known.identifier_type, known.identifier_value, known.identifier_value
    from customers.customer_identifiers as known
    inner join places on known.customer_id = places.customer_id
    where $5 and known.identifier_type not in ('email', 'phone')
),

forms as (
    select
        attribute, form, min(value) as value,
        bool_or(side = 'left') as is_left, bool_or(side = 'right') as is_right
    from said
    where form is not null
    group by attribute, form
)

select
    attribute,
    -- the values leave the statement only when they are asked for
    case when $6 then list(value order by value) filter (is_left) end as left_values,
    case when $6 then list(value order by value) filter (is_right) end as right_values,
    count(*) filter (is_left) as left_count,
    count(*) filter (is_right) as right_count,
    count(*) filter (is_left and is_right) as shared
from forms
group by attribute
order by attribute
"""


@dataclass(frozen=True)
class Asked:
    """A question of the published queue, and the people whom it is about."""

    question: Question
    customers: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One comparison of a likeness; `bits` speak for one person, negative ones against."""

    attribute: str
    how: str
    bits: float


@dataclass(frozen=True)
class Desk:
    """Whether this viewer may decide, and under what name. `why_not` says what is in the way."""

    author: str
    is_named: bool
    """The name is that of the sign-in, and cannot be changed."""
    why_not: str = ""


def desk() -> Desk:
    """Who decides here: somebody signed in who may see personal data; where nobody signs in, whoever sits here."""
    who = viewer()
    if who.is_allowed:
        return Desk(who.subject, is_named=True)
    if sign_in() is not None:
        return Desk("", True, "Deciding needs a sign-in that may see personal data (KINSHIP_DASHBOARDS_UNMASKED).")
    if not Place.from_environment().is_loopback or _is_forwarded():
        return Desk("", True, "Over the network nobody decides without a sign-in (docs/dashboards.md).")
    return Desk(os.environ.get("KINSHIP_STEWARD") or os.environ.get("USER") or "", is_named=False)


def _is_forwarded() -> bool:
    # a server before this one listens to others on its behalf
    return any(name in st.context.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))


def open_questions(question: str, reason: str, limit: int) -> pd.DataFrame:
    """The first open questions, most consequential first, without those that the seed has answered since.

    They come from the full file, as the masked one has neither records nor comparisons: check `data.may_look_up` first.
    """
    decided = {one.pair for one in review.decisions()}
    found = data.look_up(LISTED, question, question, reason, reason, limit + len(decided))
    rows = [row for row in (dict(zip(COLUMNS, row, strict=True)) for row in found) if _pair(row) not in decided]
    frame = pd.DataFrame(rows[:limit], columns=list(COLUMNS))
    return frame if data.is_unmasked() else frame.drop(columns=list(PERSONAL))


def _pair(row: dict[str, Any]) -> frozenset[Record]:
    return frozenset(Record(row[f"{side}_source"], row[f"{side}_record_id"]) for side in ("left", "right"))


def find(review_id: str) -> Asked | None:
    """A question by the beginning of its id; None when it is answered, or is none. Check `data.may_look_up` first."""
    found = data.look_up(NAMED, review_id) if len(review_id) >= SHOWN_OF_ID else []
    if len(found) != 1:
        return None
    row = dict(zip(COLUMNS, found[0], strict=True))
    if _pair(row) in {one.pair for one in review.decisions()}:
        return None
    left, right = (Record(row[f"{side}_source"], row[f"{side}_record_id"]) for side in ("left", "right"))
    question = Question(
        row["review_id"], row["question"], row["reason"], left, right, row["rule"], row["probability"],
        row["consequence"], row["detail"], row["left_record_count"], row["right_record_count"],
    )  # fmt: skip
    return Asked(question, tuple(dict.fromkeys((row["left_customer_id"], row["right_customer_id"]))))


def named(record: Record) -> str:
    """A record as this viewer may know it: by its source alone where ids of records are masked."""
    return str(record) if data.is_unmasked() else f"{record.source}:…"


def comparisons(detail: str | None) -> list[Comparison]:
    """What a likeness consists of, out of `identity_edges.detail`."""
    found = (_COMPARISON.match(part.strip()) for part in (detail or "").split(","))
    return [Comparison(one["attribute"], one["how"] or "", float(one["bits"])) for one in found if one]


def needs_values(question: Question) -> bool:
    """Whether one must see the values to answer."""
    said = [one for one in comparisons(question.detail) if one.how and one.attribute != "surroundings"]
    return any(one.how not in CLEAR for one in said) or not question.is_merge


def sides(asked: Asked) -> pd.DataFrame:
    """One row per attribute that a side has: what each says, or masked how many values, and whether that is the same.

    A look at these people is put down before. Check `data.may_look_up` first.
    """
    one = asked.question
    ends = (one.left.source, one.left.record_id, one.right.source, one.right.record_id, one.is_merge)
    access.look(asked.customers, "identity review")
    if data.is_unmasked():
        rows = data.rows(SIDES, *ends, True)
    else:
        # counts only leave the full file
        names = ("attribute", "left_values", "right_values", "left_count", "right_count", "shared")
        rows = [dict(zip(names, row, strict=True)) for row in data.look_up(SIDES, *ends, False)]
    told = [
        {
            "attribute": row["attribute"],
            "left": _told(row["left_values"], row["left_count"]),
            "right": _told(row["right_values"], row["right_count"]),
            "together": _together(row),
        }
        for row in rows
    ]
    # what can be compared comes first
    told.sort(key=lambda row: row["together"] == ONE_SIDE)
    return pd.DataFrame(told, columns=["attribute", "left", "right", "together"])


def _told(values: Sequence[str] | None, count: int) -> str:
    if not count:
        return "–"
    if values is None:
        return f"{count} {'value' if count == 1 else 'values'}"
    return ", ".join(values[:SHOWN]) + (f" and {count - SHOWN} more" if count > SHOWN else "")


def _together(row: dict[str, Any]) -> str:
    if not row["left_count"] or not row["right_count"]:
        return ONE_SIDE
    if not row["shared"]:
        return "different"
    return "same" if row["shared"] == row["left_count"] == row["right_count"] else f"{row['shared']} in common"


def standing_of(decisions: Sequence[Decision]) -> list[str]:
    """Of each decision whether the published tables are built with it. Check `data.may_look_up` first."""
    ends = [record for one in decisions for record in (one.left, one.right)]
    known = {
        Record(source, record_id): customer_id
        for source, record_id, customer_id in data.look_up(
            """
            select source, record_id, customer_id from identity.identity_graph
            inner join (select unnest(?) as source, unnest(?) as record_id) using (source, record_id)
            """,
            [record.source for record in ends],
            [record.record_id for record in ends],
        )
    }
    found = []
    for one in decisions:
        left, right = known.get(one.left), known.get(one.right)
        if left is None or right is None:
            found.append("waits for a record that is not there")
        else:
            found.append("in effect" if (left == right) == (one.answer == "same") else "from the next run on")
    return found
