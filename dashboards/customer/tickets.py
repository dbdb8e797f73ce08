"""What the person asked support, and what the models read in it."""

from typing import Any

import streamlit as st

from dashboards import data, layout


def show(customer_id: str) -> None:
    """Tickets, newest first."""
    tickets = data.rows(
        """
        select
            tickets.ticket_id, tickets.subject, tickets.body, tickets.status, tickets.priority, tickets.channel,
            tickets.comment_count, tickets.satisfaction_score, tickets.is_open, tickets.opened_at,
            tickets.first_replied_at, tickets.solved_at, topics.topic, topics.topic_confidence, topics.urgency,
            topics.urgency_confidence
        from customers.customer_tickets as tickets
        left join predictions.ticket_topics as topics
            on topics.ticket_id = tickets.ticket_id and topics.customer_id = ?
        where tickets.customer_id = ?
        order by tickets.opened_at desc, tickets.ticket_id
        """,
        customer_id,
        customer_id,
    )
    if not tickets:
        layout.missing("This person has not written to support.")
    for ticket in tickets:
        state = "open" if ticket["is_open"] else layout.words(ticket["status"] or "closed").lower()
        subject = ticket["subject"] or "without a subject"
        with st.expander(layout.plain(f"{ticket['opened_at']:%Y-%m-%d} · {subject} · {state}")):
            st.text(_facts(ticket))
            if ticket["body"]:
                st.text(ticket["body"])


def _facts(ticket: dict[str, Any]) -> str:
    said = [ticket["ticket_id"], f"{ticket['comment_count'] or 0} comments"]
    said += [f"{name} {ticket[name]}" for name in ("channel", "priority") if ticket[name]]
    if ticket["satisfaction_score"]:
        said.append(f"rated {ticket['satisfaction_score']}")
    for name in ("topic", "urgency"):
        if ticket[name]:
            said.append(f"{name}: {layout.words(ticket[name]).lower()} ({ticket[f'{name}_confidence']:.0%} sure)")
    for name, label in (("first_replied_at", "first reply"), ("solved_at", "solved")):
        if ticket[name]:
            said.append(f"{label} {ticket[name]:%Y-%m-%d %H:%M}")
    return " · ".join(said)
