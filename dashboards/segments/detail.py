"""One segment: what it is, how it grew, and who uses it."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.layout import plain, words
from dashboards.segments import reach
from dashboards.wording import count, percent

SIZES = """
    select as_of, member_count, entered_count, left_count, merged_count, share_of_customers
    from reporting.rpt_segment_sizes
    where segment = ?
    order by as_of
"""


def show(found: pd.DataFrame, segment: str) -> None:
    """The segment, of those found."""
    one = found[found["segment"] == segment].to_dict("records")[0]
    st.subheader(words(segment), anchor=False)
    st.markdown(plain(one["what"][:1].upper() + one["what"][1:]))
    st.caption(
        f"`models/segments/{segment}.sql` · purpose **{plain(words(one['purpose']))}** · owner {plain(one['owner'])}"
    )
    if pd.isna(one["member_count"]):
        layout.missing("This segment has not been built yet.", "`kinship run` builds it.")
        return
    with st.container(horizontal=True):
        of_all = f"{percent(one['share_of_customers'])} of all people."
        st.metric("Members", count(one["member_count"]), border=True, help=of_all)
        st.metric("Came in", count(one["entered_count"]), border=True, help="At the last build.")
        st.metric("Left", count(one["left_count"]), border=True, help="At the last build.")
    _sizes(segment)
    if one["member_count"]:
        reach.show(segment, one["purpose"])
    else:
        layout.missing("Nobody is in it now.")
    _syncs(one["syncs"])


def _sizes(segment: str) -> None:
    """Members, and who came and went, by day."""
    history = data.frame(SIZES, segment)
    if len(history) < 2:
        layout.missing("Counted once so far.", "Its size over time shows from the second run with newer data on.")
        return
    # of several builds in a day: the last one's size, and all who came and went
    days = history.assign(day=history["as_of"].dt.normalize()).groupby("day", as_index=False)
    by_day = days.agg({"member_count": "last", "entered_count": "sum", "left_count": "sum"})
    when = alt.X("yearmonthdate(day):T", title=None, axis=alt.Axis(format="%-d %b %y", tickCount=5))
    size, moved = st.columns(2)
    with size:
        charts.show(
            alt.Chart(by_day)
            .mark_line(point=len(by_day) < 15)
            .encode(
                x=when,
                y=alt.Y("member_count:Q", title="Members", axis=alt.Axis(format="~s", tickCount=5)),
                tooltip=[alt.Tooltip("day:T", title="Day"), alt.Tooltip("member_count:Q", title="Members", format=",")],
            ),
            height=240,
        )
    kinds = {"entered_count": "Came in", "left_count": "Left"}
    moves = by_day.assign(left_count=-by_day["left_count"]).melt("day", list(kinds), "kind", "people")
    moves["kind"] = moves["kind"].map(kinds)
    colours = alt.Scale(domain=list(kinds.values()), range=[tones.GOOD, tones.WARN])
    with moved:
        charts.show(
            alt.Chart(moves)
            .mark_bar(width={"band": 0.8})
            .encode(
                x=when,
                y=alt.Y("people:Q", title="Came and left", axis=alt.Axis(format="~s", tickCount=5)),
                color=alt.Color("kind:N", title=None, scale=colours, legend=alt.Legend(orient="bottom")),
                tooltip=[
                    alt.Tooltip("day:T", title="Day"),
                    alt.Tooltip("kind:N", title="People who"),
                    alt.Tooltip("people:Q", title="People", format=","),
                ],
            ),
            height=280,
        )
    layout.download(history, f"sizes_{segment}")


def _syncs(syncs: str) -> None:
    """The syncs that read the segment, by their names with commas between."""
    st.subheader("Where it is sent", anchor=False)
    if not syncs:
        layout.missing("No sync reads it.", "A file in `models/activation/` that selects from it is one.")
        return
    with st.container(horizontal=True):
        for sync in syncs.split(", "):
            st.page_link("views/activation.py", label=sync, icon=":material/send:", query_params={"sync": sync})
