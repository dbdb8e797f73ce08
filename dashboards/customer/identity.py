"""Every identity of the person, and why it is theirs."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import data, layout

REFUSALS = {
    "too_weak": "too weak to count at this level",
    "outmatched": "others are as alike",
    "unsupported": "the neighbourhood does not bear it out",
    "recut": "the neighbourhood does not bear it out",
    "cannot_link": "a steward keeps them apart",
}
"""Why a link does not count (docs/identity.md)."""


def show(customer_id: str) -> None:
    """Records with the strongest reason for each, identifiers, and the evidence between the records."""
    _health(customer_id)
    st.subheader("Records, and why they are this person", anchor=False)
    records = data.frame(
        """
        select
            graph.source, graph.record_id, explained.rule, explained.other_source, explained.other_record_id,
            explained.weight, graph.confidence, explained.evidence_count, explained.first_seen_at, graph.since
        from identity.identity_graph as graph
        left join identity.identity_explanations as explained
            on explained.source = graph.source and explained.record_id = graph.record_id
            and explained.customer_id = ?
        where graph.customer_id = ?
        order by graph.source, graph.record_id
        """,
        customer_id,
        customer_id,
    )
    why = [_why(record) for record in records.to_dict("records")]
    shown = pd.DataFrame(
        {
            "record": records["source"] + ":" + records["record_id"],
            "why": why,
            "weight": records["weight"],
            "confidence": records["confidence"],
            "evidence": records["evidence_count"],
            "first_seen_at": records["first_seen_at"],
            "since": records["since"],
        }
    )
    layout.table(
        shown,
        columns={
            "record": "Record",
            "why": st.column_config.TextColumn("Why it is theirs", width="large"),
            "weight": st.column_config.NumberColumn("Bits", format="%.1f", help="Weight of the strongest evidence."),
            "confidence": st.column_config.NumberColumn("Confidence", format="percent"),
            "evidence": st.column_config.NumberColumn("Evidence", help="Pieces of evidence for this record."),
            "first_seen_at": st.column_config.DatetimeColumn("Evidence since", format="YYYY-MM-DD"),
            "since": st.column_config.DatetimeColumn("Theirs since", format="YYYY-MM-DD"),
        },
        height="content" if len(shown) <= 15 else 560,
    )
    layout.download(shown, f"records_{customer_id}")
    _identifiers(customer_id)
    _evidence(customer_id, records)
    _history(customer_id)


def _why(record: dict[Any, Any]) -> str:
    rule = record["rule"]
    if pd.isna(rule) or rule == "alone":
        return "nothing ties it to another record: it is a person of its own"
    other = f"{record['other_source']}:{record['other_record_id']}"
    if rule == "likeness":
        return f"is like {other}"
    if rule == "override":
        return f"a steward said that it is one with {other}"
    return f"shares the {layout.words(rule).lower()} of {other}"


def _health(customer_id: str) -> None:
    found = data.rows("select * from identity.identity_health where customer_id = ?", customer_id)
    if not found:
        return
    health = found[0]
    said = [f"Grade {health['grade']}", f"{health['record_count']:,} records of {health['source_count']} sources"]
    if health["weakest_weight"] is not None:
        said.append(f"weakest link {health['weakest_weight']:.1f} bits")
    if health["has_conflict"]:
        said.append("names or dates of birth contradict each other")
    st.caption(layout.plain("; ".join(said)))


def _identifiers(customer_id: str) -> None:
    st.subheader("Identifiers", anchor=False)
    found = data.frame(
        """
        select
            identifier_type, identifier_value, record_count, source_count, is_quarantined, quarantine_reason,
            first_seen_at, last_seen_at
        from customers.customer_identifiers where customer_id = ? order by identifier_type, identifier_value
        """,
        customer_id,
    )
    if found.empty:
        layout.missing("This person has no identifiers.")
        return
    layout.table(
        found,
        columns={
            "identifier_type": "Type",
            "identifier_value": st.column_config.TextColumn("Value", width="medium"),
            "record_count": "Records",
            "source_count": "Sources",
            "is_quarantined": st.column_config.CheckboxColumn(
                "In quarantine", help="Too many people share it: it joins nobody."
            ),
            "quarantine_reason": "Because",
            "first_seen_at": st.column_config.DatetimeColumn("First seen", format="YYYY-MM-DD"),
            "last_seen_at": st.column_config.DatetimeColumn("Last seen", format="YYYY-MM-DD"),
        },
    )
    layout.download(found, f"identifiers_{customer_id}")


def _evidence(customer_id: str, records: pd.DataFrame) -> None:
    opened = st.expander("All evidence for and against", on_change="rerun", key=f"evidence_{customer_id}")
    if not opened.open:
        return
    ids = records["record_id"].tolist()
    # a record id can occur in two sources: the pair decides, the id alone finds the blocks to read
    edges = data.frame(
        """
        with records as (select source, record_id from identity.identity_graph where customer_id = ?)
        select
            left_source || ':' || left_record_id as record, right_source || ':' || right_record_id as other, rule,
            level, weight, is_admitted, refusal, detail, first_seen_at, last_seen_at
        from identity.identity_edges
        where (left_record_id in (select unnest(?)) and (left_source, left_record_id) in (from records))
            or (right_record_id in (select unnest(?)) and (right_source, right_record_id) in (from records))
        order by is_admitted desc, weight desc, edge_id
        """,
        customer_id,
        ids,
        ids,
    )
    with opened:
        if edges.empty:
            layout.missing("There is no evidence between this person's records and any other.")
            return
        reasons = edges["refusal"].map(lambda refusal: None if pd.isna(refusal) else _refusal(str(refusal)))
        layout.table(edges.assign(refusal=reasons))
        layout.download(edges, f"evidence_{customer_id}")


def _refusal(refusal: str) -> str:
    kind, _, identifier = refusal.partition(":")
    if kind == "limit":
        return f"one person would have too many of {layout.words(identifier).lower()}"
    return REFUSALS.get(kind, refusal)


def _history(customer_id: str) -> None:
    found = data.frame(
        """
        select occurred_at, event_type, customer_id, other_customer_id, record_count from identity.identity_events
        where customer_id = ? or other_customer_id = ? order by occurred_at desc, identity_event_id
        """,
        customer_id,
        customer_id,
    )
    if not found.empty:
        with st.expander("How this person came about: created, merged, split"):
            layout.table(found)
