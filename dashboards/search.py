"""Finds people by whatever one has of them: an identifier, a number, an id, or a name.

The look-up reads the full file even for a viewer who sees masked rows: they get the rows of whom they named.
"""

import re
from dataclasses import dataclass

from dashboards import data
from kinship.published.search import reversed_digits, words

LONGEST = 400
"""Characters: an e-mail address has 320 at the most."""

MOST = 50
"""People in a list. There may be more, and the page says so."""

_PHONE = re.compile(r"\+?[\d\s()./-]{7,40}")
_PREFIX_END = "\U0010ffff"


@dataclass(frozen=True)
class Found:
    """Whom a text means: ids of customers, at most `MOST` of `count`, and by what they were found."""

    customers: tuple[str, ...] = ()
    count: int = 0
    by: str = ""
    redirected: bool = False
    """The text is an id that is out of use: of a customer merged into another."""
    problem: str = ""
    """Why nobody is found, where that is not simply that nobody is known by the text."""


def find(text: str) -> Found:
    """Find people by a text that someone typed. Everything in it is taken for what it is: there are no wildcards."""
    text = text.strip()
    if len(text) > LONGEST:
        return Found(problem=f"No identifier or name is longer than {LONGEST} characters.")
    return _by_customer_id(text) or _in_index(text) if text else Found()


def _in_index(text: str) -> Found:
    if not data.may_look_up():
        return Found(
            problem="Without sign-in, over the network, people are found by customer id only (docs/dashboards.md)."
        )
    return _by_identifier(text.lower()) or _by_phone(text) or _by_name(text) or Found()


def _by_customer_id(text: str) -> Found | None:
    asked = text.lower()
    if data.may_look_up():
        # a page of masked tables calls some people by a stand-in
        behind = data.look_up("select customer_id from search.stand_ins where stand_in = ?", asked)
        asked = behind[0][0] if behind else asked
    rows = data.look_up("select current_customer_id from identity.identity_redirects where customer_id = ?", asked)
    if not rows:
        return None
    (current,) = rows[0]
    if current is None:
        return Found(problem="This customer id was issued, but all records it stood for are gone.")
    return Found(_as_shown([current]), 1, "customer id", redirected=current != asked)


def _by_identifier(text: str) -> Found | None:
    text = text.removeprefix("#")
    # a record is written <source>:<record_id>, an e-mail address may be written email:<address>
    terms = [text, *(text[match.end() :] for match in re.finditer(":", text))][:6]
    rows = data.look_up(
        """
        select customer_id, min(kind), count(*) over () from search.terms
        where term in (select unnest(?)) and kind not in ('name', 'company', 'phone_reversed')
            and (term = ? or ends_with(kind || ':' || term, ?))
        group by customer_id order by customer_id limit ?
        """,
        terms, text, text, MOST,
    )  # fmt: skip
    return _found(rows)


def _by_phone(text: str) -> Found | None:
    if not _PHONE.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text).lstrip("0")
    if len(digits) < 6:
        return None
    rows = data.look_up(
        f"""
        with asked as (select {reversed_digits("?")} as ending)
        select customer_id, 'phone', count(*) over () from search.terms, asked
        where kind = 'phone_reversed' and term >= ending and term < ending || ?
        group by customer_id order by customer_id limit ?
        """,  # noqa: S608 - bound
        digits, _PREFIX_END, MOST,
    )  # fmt: skip
    return _found(rows)


def _by_name(text: str) -> Found | None:
    asked = [str(word) for (word,) in data.look_up(f"select distinct unnest({words('?')})", text)][:8]
    if not asked:
        return None
    # every word as it is, or as the beginning of one; a single letter begins too many
    ends = [word + (_PREFIX_END if len(word) > 1 else "") for word in asked]
    matches = " union all ".join(
        "select customer_id, max(term = ?) as is_whole from search.terms"
        " where kind in ('name', 'company') and term between ? and ? group by customer_id"
        for _ in asked
    )
    rows = data.look_up(
        f"""
        with matched as ({matches}),
        people as (
            select customer_id, count(*) filter (is_whole) as whole from matched
            group by customer_id having count(*) = ?
        )
        select people.customer_id, 'name', count(*) over () from people
        inner join customers.customers using (customer_id)
        order by people.whole desc, customers.order_count desc, people.customer_id limit ?
        """,  # noqa: S608 - bound
        *(value for word, end in zip(asked, ends, strict=True) for value in (word, word, end)), len(asked), MOST,
    )  # fmt: skip
    return _found(rows)


def _found(rows: list[tuple[str, str, int]]) -> Found | None:
    if not rows:
        return None
    kinds = {kind.partition(":")[0].replace("_", " ") for _, kind, _ in rows}
    return Found(_as_shown([customer for customer, _, _ in rows]), rows[0][2], ", ".join(sorted(kinds)))


def _as_shown(customers: list[str]) -> tuple[str, ...]:
    """The ids by which the tables that this viewer sees know these people."""
    if data.is_unmasked() or not data.may_look_up():
        return tuple(customers)
    # some ids give away an address; the masked tables have others in their place
    sql = "select customer_id, stand_in from search.stand_ins where customer_id in (select unnest(?))"
    others = dict(data.look_up(sql, customers))
    return tuple(others.get(customer, customer) for customer in customers)
