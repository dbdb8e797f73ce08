"""All segments: what their headers say, how many were in at the last build, and which syncs read them."""

import pandas as pd
import streamlit as st

from dashboards import data, layout
from dashboards.layout import words

TABLE = "reporting.rpt_segments"
SEGMENTS = """
    with latest as (
        select * from reporting.rpt_segment_sizes
        qualify row_number() over (partition by segment order by as_of desc) = 1
    )

    select
        segments.segment,
        segments.what,
        segments.owner,
        segments.purpose,
        segments.syncs,
        latest.member_count,
        latest.share_of_customers,
        latest.entered_count,
        latest.left_count,
        latest.email_reachable_count,
        latest.sms_reachable_count
    from reporting.rpt_segments as segments
    left join latest on segments.segment = latest.segment
    order by segments.segment
"""


def load() -> pd.DataFrame:
    """One row per segment of the project, by name; counts are NULL for one that has not been built."""
    return data.frame(SEGMENTS)


def show(found: pd.DataFrame) -> None:
    """All segments beside each other, the largest first."""
    st.subheader("All segments", anchor=False)
    number = st.column_config.NumberColumn
    shown = found.assign(name=found["segment"].map(words), share=found["share_of_customers"] * 100)
    st.dataframe(
        shown.sort_values("member_count", ascending=False, na_position="last"),
        hide_index=True,
        height="content",
        placeholder="–",
        column_order=[
            "name", "member_count", "share", "entered_count", "left_count", "email_reachable_count",
            "sms_reachable_count", "purpose", "owner", "syncs", "what",
        ],
        column_config={
            "name": st.column_config.TextColumn("Segment", pinned=True),
            "member_count": number("Members", format="localized"),
            "share": number("Of all", format="%.1f%%"),
            "entered_count": number("Came in", format="localized"),
            "left_count": number("Left", format="localized"),
            "email_reachable_count": number("By e-mail", format="localized", help="Agreed to its purpose by e-mail."),
            "sms_reachable_count": number("By SMS", format="localized", help="Agreed to its purpose by SMS."),
            "purpose": "Purpose",
            "owner": "Owner",
            "syncs": "Sent by",
            "what": st.column_config.TextColumn("Who is in", width="large"),
        },
    )  # fmt: skip
    layout.download(found, "segments")
