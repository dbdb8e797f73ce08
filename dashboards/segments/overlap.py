"""Which people are in several segments."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.layout import plain, words

TABLE = "reporting.rpt_segment_overlap"
OVERLAP = """
    select segment, other_segment, both_count, share_of_segment, jaccard, lift
    from reporting.rpt_segment_overlap
    order by segment, other_segment
"""


def show(segment: str) -> None:
    """The people of one segment in others, then all segments beside each other."""
    st.subheader("Overlap", anchor=False)
    if not data.has_table(TABLE):
        layout.missing("Fewer than two segments have members.")
        return
    found = data.frame(OVERLAP)
    own = found[(found["segment"] == segment) & (found["both_count"] > 0)].sort_values("both_count", ascending=False)
    if own.empty:
        st.markdown(f"Nobody in {plain(words(segment))} is in another segment.")
    else:
        st.markdown(f"Of the people in **{plain(words(segment))}**, so many are in another segment, too:")
        _shared(own.head(8))
    _matrix(found)
    st.caption(
        "Each cell: of the people in the row's segment, the share who are in the column's, too. Columns stand in the"
        " order of the rows."
    )
    layout.download(found, "segment_overlap")


def _tooltip(first: str, second: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(first, title="Of"),
        alt.Tooltip(second, title="are in"),
        alt.Tooltip("share_of_segment:Q", title="Share", format=".1%"),
        alt.Tooltip("both_count:Q", title="People in both", format=","),
        alt.Tooltip("lift:Q", title="Times as many as by chance", format=",.2f"),
    ]


def _shared(own: pd.DataFrame) -> None:
    shown = own.assign(
        own=own["segment"].map(words),
        other=own["other_segment"].map(words),
        told=[f"{row.both_count:,} · {row.share_of_segment:.0%}" for row in own.itertuples()],
    )
    axis = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])
    base = alt.Chart(shown).encode(
        y=alt.Y("other:N", sort=None, title=None, axis=alt.Axis(labelLimit=170, labelFlush=False)),
        # room for what is written behind a bar of all
        x=alt.X("share_of_segment:Q", title="Share of members", axis=axis, scale=alt.Scale(domain=[0, 1.2])),
        tooltip=_tooltip("own:N", "other:N"),
    )
    told = base.mark_text(align="left", dx=5, color=tones.ink()).encode(text="told:N")
    charts.show((base.mark_bar(height=14, cornerRadiusEnd=2) + told).properties(height=alt.Step(26)), height=None)


def _matrix(found: pd.DataFrame) -> None:
    names = [words(name) for name in sorted(set(found["segment"]))]
    shown = found.assign(row=found["segment"].map(words), column=found["other_segment"].map(words))
    labels = alt.Axis(labelLimit=170, labelFlush=False, domain=False, ticks=False)
    chart = (
        alt.Chart(shown)
        .mark_rect(color=tones.GOOD, cornerRadius=2)
        .encode(
            y=alt.Y("row:N", sort=names, title=None, axis=labels),
            x=alt.X("column:N", sort=names, title=None, axis=None),
            opacity=alt.Opacity("share_of_segment:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.05, 1])),
            tooltip=_tooltip("row:N", "column:N"),
        )
        .properties(height=alt.Step(20))
    )
    charts.show(chart, height=None)
