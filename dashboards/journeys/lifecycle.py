"""Moves between the stages of the life cycle."""

from datetime import date

import streamlit as st

from dashboards import data, layout, tones
from dashboards.layout import words
from dashboards.sankey import sankey

TABLE = "reporting.rpt_lifecycle_transitions"
MOVES = """
    select from_stage as from_state, to_stage as to_state, cast(sum(people) as bigint) as people
    from reporting.rpt_lifecycle_transitions
    where month_date >= ? and (? or from_stage <> 'new')
    group by from_stage, to_stage
    order by people desc, from_stage, to_stage
"""
STAGES = ["new", "visitor", "lead", "first_order", "active", "won_back", "at_risk", "lapsed"]
COLOURS = dict.fromkeys(("first_order", "active", "won_back"), tones.GOOD) | dict.fromkeys(
    ("at_risk", "lapsed"), tones.WARN
)


def show(since: date) -> None:
    """The moves since a day, as a Sankey diagram."""
    st.subheader("From stage to stage", anchor=False)
    if not data.has_table(TABLE):
        layout.missing("Nobody has been seen yet.", "Extract a source, then `kinship run`.")
        return
    with_new = st.toggle("With people seen for the first time", key="with_new")
    moves = data.frame(MOVES, since, with_new)
    if moves.empty:
        layout.missing("Nobody moved in this time.", "Look back further.")
        return
    sankey(moves, STAGES, {stage: words(stage) for stage in STAGES}, COLOURS)
    st.caption(
        "Each band is people who left the stage on the left for the one on the right, once for each time: blue to those"
        " who buy, orange to those who stay away. At risk, later lapsed: long without an order (docs/journey.md)."
    )
    layout.download(moves, "lifecycle_moves")
