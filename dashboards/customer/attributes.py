"""What is known of the person, where it comes from, and what lost against it."""

import streamlit as st

from dashboards import data, layout

RULES = {
    "source_priority": "the most trusted source",
    "most_recent": "observed last",
    "most_frequent": "said by most records",
    "verified_first": "confirmed by the person, else the most recent",
    "longest": "the longest",
}
"""The rules of survivorship (docs/profile.md)."""


def show(customer_id: str) -> None:
    """The attributes of the golden record with source and rule, then every value that was there to choose from."""
    won = data.frame(
        """
        select
            attribute, value, source, record_id, rule, is_verified, candidate_count - 1 as others, distinct_value_count,
            observed_at
        from customers.customer_attribute_sources where customer_id = ? order by attribute
        """,
        customer_id,
    )
    if won.empty:
        layout.missing("No source says anything about this person.", "They are known by their devices or orders only.")
        return
    won["rule"] = won["rule"].map(RULES).fillna(won["rule"])
    layout.table(
        won,
        columns={
            "attribute": "Attribute",
            "value": "Value",
            "source": "From",
            "record_id": "Record",
            "rule": st.column_config.TextColumn("Chosen as", help="The rule of survivorship: docs/profile.md."),
            "is_verified": "Confirmed",
            "others": st.column_config.NumberColumn("Against", help="Other values that records gave."),
            "distinct_value_count": st.column_config.NumberColumn("Different", help="Different values among all."),
            "observed_at": st.column_config.DatetimeColumn("Observed", format="YYYY-MM-DD"),
        },
        height="content",
    )
    layout.download(won, f"attributes_{customer_id}")
    with st.expander("Every value a source gave"):
        layout.table(
            data.frame(
                """
                select attribute, candidate_rank, value, outcome, source, record_id, is_verified, observed_at
                from customers.customer_attribute_candidates where customer_id = ? order by attribute, candidate_rank
                """,
                customer_id,
            )
        )
