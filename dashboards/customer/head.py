"""Who the person is, and the figures that say most about them."""

from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import data, layout
from kinship.published.masking import MASK

_COLOURS = {"customer": "green", "loyal": "green", "lapsed": "orange", "at_risk": "orange", "lost": "red"}


def show(customer_id: str) -> bool:
    """The head of the profile; False when the tables do not hold the person."""
    found = data.rows("select * from customers.customers where customer_id = ?", customer_id)
    if not found:
        return False
    person = found[0]
    st.header(layout.plain(name(person)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        if person["lifecycle_stage"]:
            st.badge(layout.plain(layout.words(person["lifecycle_stage"])), color=_colour(person["lifecycle_stage"]))
        if person["rfm_group"]:
            st.badge(layout.plain(layout.words(person["rfm_group"])), color="gray")
        st.code(customer_id, language=None, width="content")
    st.text(contact(person, "job_title", "company_name", "email", "phone", "city", "country_code"))
    as_of = data.publication().as_of.replace(tzinfo=None)
    layout.figures(
        [
            ("Orders", f"{person['order_count'] or 0:,}"),
            ("Revenue", layout.euro(person["revenue_eur"] or 0), "Net of refunds and cancellations, in euro."),
            (
                "Expected",
                layout.euro(person["expected_value_12_months_eur"]) or "–",
                "What the model expects this person to spend in twelve months (Predictions says more).",
            ),
            ("Last order", _ago(person["last_order_at"], as_of), "Before the moment the tables look from."),
            ("Last seen", _ago(person["last_event_at"], as_of), "The latest event of any kind."),
            ("Open tickets", f"{person['open_ticket_count'] or 0:,}"),
            ("Records", f"{person['record_count']:,} in {person['source_count']}", "Records, and the sources of them."),
        ]
    )
    return True


def name(person: dict[str, Any]) -> str:
    """What to call the person."""
    if person["full_name"] == MASK:
        return f"Person {person['customer_id'][:8]}"
    return str(person["full_name"] or "Name not known")


def contact(person: dict[str, Any], *attributes: str) -> str:
    """The attributes that are known, in a line."""
    known = [person[attribute] for attribute in attributes if person[attribute]]
    if known and all(value == MASK for value in known):
        return "Name and contact details are masked."
    return " · ".join(str(value) for value in known) or "No contact details known."


def _colour(stage: str) -> Any:
    return _COLOURS.get(stage, "blue")


def _ago(moment: datetime | None, as_of: datetime) -> str:
    if moment is None:
        return "–"
    days = (as_of.date() - moment.date()).days
    return "today" if days <= 0 else f"{days:,} d ago"
