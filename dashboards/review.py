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

import duckdb
import pandas as pd
import streamlit as st

from dashboards import data
from dashboards.serving import LOOPBACK
from dashboards.viewer import viewer
from kinship.identity import review
from kinship.identity.evidence import Record
from kinship.identity.review import Decision, Question
from kinship.published.publication import NothingPublished
from kinship.published.reader import open_publication

CLEAR = ("exact", "different", "nothing")
"""How a comparison ends when there is nothing to judge."""

SHOWN = 3
"""Values of one attribute on one side."""

ONE_SIDE = "one side only"

_COMPARISON = re.compile(r"^(?P<attribute>\w+)(?: (?P<how>\w+))? (?P<bits>[+-]\d+(?:\.\d+)?)$")

OPEN = """
select review_id, question, reason, rule, probability, consequence, left_source, left_record_id, right_source,
    right_record_id, left_record_count, right_record_count, detail, last_seen_at
from identity.identity_review_queue
where (? = '' or question = ?) and (? = '' or reason = ?)
order by consequence desc, review_id
limit ?
"""

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
    where $5 and known.identifier_type not in (
        select distinct attribute from customers.customer_attribute_candidates
    )
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
    list(value order by value) filter (is_left) as left_values,
    list(value order by value) filter (is_right) as right_values,
    count(*) filter (is_left and is_right) as shared
from forms
group by attribute
order by attribute
"""


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
    """Who decides here: somebody signed in who may see personal data, or whoever sits at this machine."""
    now = viewer()
    if now.is_unmasked:
        return Desk(now.subject, is_named=True)
    if st.get_option("server.address") not in LOOPBACK or _is_forwarded():
        return Desk(
            "", is_named=True, why_not="Sign in as a steward to decide; `kinship review` asks the same questions."
        )
    return Desk(os.environ.get("KINSHIP_STEWARD") or os.environ.get("USER") or "", is_named=False)


def _is_forwarded() -> bool:
    # a server before this one listens to others on our behalf
    return any(name in st.context.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))


def open_questions(question: str, reason: str, limit: int) -> pd.DataFrame:
    """The first open questions, most consequential first, without those that the seed has answered since."""
    answered = decided_ids()
    rows = data.frame(OPEN, question, question, reason, reason, limit + len(answered))
    return rows[~rows["review_id"].isin(answered)].head(limit)


def find(review_id: str) -> Question | None:
    """A question by its id; None when it is answered, or is none. Raises `NothingPublished` without the full tables."""
    if not re.fullmatch(r"[0-9a-f]{32}", review_id):
        return None
    found = review.questions(_full(), 1, review_id)
    return found[0] if found else None


def comparisons(detail: str | None) -> list[Comparison]:
    """What a likeness consists of, out of `identity_edges.detail`."""
    found = (_COMPARISON.match(part.strip()) for part in (detail or "").split(","))
    return [Comparison(one["attribute"], one["how"] or "", float(one["bits"])) for one in found if one]


def needs_values(question: Question) -> bool:
    """Whether one must see the values to answer."""
    near = any(one.how not in CLEAR for one in comparisons(question.detail) if one.how)
    return near or not question.is_merge


def sides(question: Question, *, with_values: bool) -> pd.DataFrame:
    """One row per attribute that a side has: what each says (how many values, when they are not to be shown), and
    whether that is the same."""
    ends = [question.left.source, question.left.record_id, question.right.source, question.right.record_id]
    with _full().cursor() as cursor:
        rows = cursor.execute(SIDES, [*ends, question.is_merge]).fetchall()
    told = [
        {
            "attribute": attribute,
            "left": _told(left or [], with_values),
            "right": _told(right or [], with_values),
            "together": _together(left or [], right or [], shared),
        }
        for attribute, left, right, shared in rows
    ]
    # what can be compared comes first
    told.sort(key=lambda row: row["together"] == ONE_SIDE)
    return pd.DataFrame(told, columns=["attribute", "left", "right", "together"])


def _told(values: Sequence[str], with_values: bool) -> str:
    if not with_values:
        return f"{len(values)} {'value' if len(values) == 1 else 'values'}" if values else "–"
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more if values else "–"


def _together(left: Sequence[str], right: Sequence[str], shared: int) -> str:
    if not left or not right:
        return ONE_SIDE
    if shared == 0:
        return "different"
    return "same" if shared == len(left) == len(right) else f"{shared} in common"


def decided_ids() -> list[str]:
    """The published questions that the seed has answered since."""
    decisions = review.decisions()
    return _ids_of(_full(), decisions) if decisions and data.publication().warehouse.exists() else []


def _ids_of(full: duckdb.DuckDBPyConnection, decisions: Sequence[Decision]) -> list[str]:
    ends = [[one.left.source for one in decisions], [one.left.record_id for one in decisions]]
    ends += [[one.right.source for one in decisions], [one.right.record_id for one in decisions]]
    with full.cursor() as cursor:
        rows = cursor.execute(
            """
            with decided as (select unnest($1) as ls, unnest($2) as li, unnest($3) as rs, unnest($4) as ri)
            select distinct review_id from identity.identity_review_queue as queue
            inner join decided on
                (left_source, left_record_id, right_source, right_record_id) = (ls, li, rs, ri)
                or (left_source, left_record_id, right_source, right_record_id) = (rs, ri, ls, li)
            """,
            ends,
        ).fetchall()
    return [str(row[0]) for row in rows]


def standing_of(decisions: Sequence[Decision]) -> list[str]:
    """Of each decision whether the published tables are built with it."""
    with _full().cursor() as cursor:

        def person(record: Record) -> str | None:
            row = cursor.execute(
                "select customer_id from identity.identity_graph where source = ? and record_id = ?",
                [record.source, record.record_id],
            ).fetchone()
            return None if row is None else str(row[0])

        found = []
        for one in decisions:
            left, right = person(one.left), person(one.right)
            if left is None or right is None:
                found.append("waits for a record that is not there")
            else:
                found.append("in effect" if (left == right) == (one.answer == "same") else "from the next run on")
    return found


def _full() -> duckdb.DuckDBPyConnection:
    """The tables as they are, for what is worked out here and shown without its values."""
    shown = data.publication()
    if not shown.warehouse.exists():
        raise NothingPublished("only the masked tables are here: `kinship review` decides where the warehouse is")
    return _opened(str(shown.folder))


@st.cache_resource(max_entries=3, show_spinner=False)
def _opened(folder: str) -> duckdb.DuckDBPyConnection:
    return open_publication(data.publication(), masked=False)
