"""Which segments the person is in, what may be done with their data, and which tools were told of them."""

import streamlit as st

from dashboards import data, layout


def show_segments(customer_id: str) -> None:
    """Segments of today with the day of entry, then those of the past."""
    stays = data.frame(
        """
        select segment, entered_at, left_at from segments.segment_memberships
        where customer_id = ? order by left_at is not null, entered_at desc, segment
        """,
        customer_id,
    )
    current, past = stays[stays["left_at"].isna()], stays[stays["left_at"].notna()]
    if current.empty:
        layout.missing("This person is in no segment.")
    else:
        layout.table(
            current[["segment", "entered_at"]],
            columns={
                "segment": "Segment",
                "entered_at": st.column_config.DatetimeColumn("Since", format="YYYY-MM-DD HH:mm"),
            },
            height="content",
        )
    if not past.empty:
        with st.expander(f"Left ({len(past):,})"):
            layout.table(past)


def show_consents(customer_id: str) -> None:
    """What is allowed per purpose and channel, and every word the person said about it."""
    consents = data.frame(
        """
        select purpose, channel, status, is_allowed, legal_basis, source, captured_at
        from customers.customer_consents where customer_id = ? order by purpose, channel
        """,
        customer_id,
    )
    if consents.empty:
        layout.missing("Nothing is known of this person's consent:", "nothing may be sent to them.")
        return
    layout.table(
        consents,
        columns={
            "purpose": "Purpose",
            "channel": "Channel",
            "status": "Says",
            "is_allowed": st.column_config.CheckboxColumn("Allowed", help="Only what was granted is allowed."),
            "legal_basis": "Legal basis",
            "source": "From",
            "captured_at": st.column_config.DatetimeColumn("Since", format="YYYY-MM-DD HH:mm"),
        },
        height="content",
    )
    with st.expander("History"):
        layout.table(
            data.frame(
                """
                select captured_at, purpose, channel, status, legal_basis, source, record_id
                from customers.customer_consent_events where customer_id = ? order by captured_at desc, consent_event_id
                """,
                customer_id,
            )
        )


def show_sent(customer_id: str) -> None:
    """What the syncs did with this person, newest first."""
    sent = data.frame(
        """
        select results.recorded_at, results.sync, runs.destination, results.operation, results.outcome,
            results.error_class
        from reverse_etl.sync_results as results
        left join reverse_etl.sync_runs as runs on runs.run_id = results.run_id and runs.sync = results.sync
        where results.customer_id = ? order by results.recorded_at desc, results.sync
        """,
        customer_id,
    )
    if sent.empty:
        layout.missing("Nothing about this person was sent to any tool.")
        return
    layout.table(
        sent,
        columns={
            "recorded_at": st.column_config.DatetimeColumn("When", format="YYYY-MM-DD HH:mm"),
            "sync": "Sync",
            "destination": "Tool",
            "operation": "Did",
            "outcome": "Outcome",
            "error_class": "Error",
        },
        height="content",
    )
    layout.download(sent, f"sent_{customer_id}")
