"""Who the person is, and the figures that say most about them."""

from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import data, layout

_COLOURS = {"customer": "green", "loyal": "green", "lapsed": "orange", "at_risk": "orange", "lost": "red"}


def show(customer_id: str) -> bool:
    """The head of the profile; False when the tables do not hold the person."""
    found = data.rows("select * from customers.customers where customer_id = ?", customer_id)
    if not found:
        return False
    person = found[0]
    st.header(layout.plain(person["full_name"] or "Name not known"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        if person["lifecycle_stage"]:
            st.badge(layout.plain(layout.words(person["lifecycle_stage"])), color=_colour(person["lifecycle_stage"]))
        if person["rfm_group"]:
            st.badge(layout.plain(layout.words(person["rfm_group"])), color="gray")
        st.code(customer_id, language=None, width="content")
    facts = [person["job_title"], person["company_name"], person["email"], person["phone"], _place(person)]
    st.text(" · ".join(fact for fact in facts if fact) or "No contact details known")
    as_of = data.publication().as_of.replace(tzinfo=None)
    layout.figures(
        [
            ("Orders", f"{person['order_count'] or 0:,}"),
            ("Revenue", layout.euro(person["revenue_eur"] or 0), "Net of refunds and cancellations, in euro."),
            (
                "Expected, 12 months",
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


def _colour(stage: str) -> Any:
    return _COLOURS.get(stage, "blue")


def _place(person: dict[str, Any]) -> str:
    return ", ".join(part for part in (person["city"], person["country_code"]) if part)


def _ago(moment: datetime | None, as_of: datetime) -> str:
    if moment is None:
        return "–"
    days = (as_of.date() - moment.date()).days
    return "today" if days <= 0 else f"{days:,} d ago"
