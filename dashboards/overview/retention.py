"""Of those who first ordered in a month, how many ordered again so many months later."""

import altair as alt
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.wording import month_before

COHORTS = """
    select cohort_month_date, months_since, people, active_people, active_share, is_complete
    from reporting.rpt_retention
    where cohort_month_date >= ? and months_since > 0
    order by cohort_month_date, months_since
"""


def show() -> None:
    """The cohorts of the last twelve months."""
    st.subheader("Who stays", anchor=False)
    cohorts = data.frame(COHORTS, month_before(data.publication().as_of, 12))
    if cohorts.empty:
        layout.missing("Nobody's first order is a month old yet.", "Orders of two months are needed.")
        return
    shown = cohorts.assign(
        cohort=[f"{row.cohort_month_date:%b %y} · {row.people:,}" for row in cohorts.itertuples()],
        told=[f"{share * 100:.0f}" for share in cohorts["active_share"]],
    )
    base = alt.Chart(shown).encode(
        x=alt.X(
            "months_since:O",
            title="Months since the first order",
            axis=alt.Axis(labelAngle=0, domain=False, ticks=False),
        ),
        y=alt.Y("cohort:N", sort=None, title=None, axis=alt.Axis(labelFlush=False, domain=False, ticks=False)),
    )
    scale = alt.Scale(domain=[0, float(shown["active_share"].max()) or 1.0], range=[0.04, 0.8])
    cells = base.mark_rect(color=tones.GOOD, cornerRadius=3).encode(
        opacity=alt.Opacity("active_share:Q", legend=None, scale=scale),
        tooltip=[
            alt.Tooltip("cohort:N", title="First order in · people"),
            alt.Tooltip("months_since:O", title="Months since"),
            alt.Tooltip("active_people:Q", title="Ordered", format=","),
            alt.Tooltip("active_share:Q", title="Share", format=".1%"),
            alt.Tooltip("is_complete:N", title="Month is over"),
        ],
    )
    told = base.mark_text(fontSize=12, color=tones.ink()).encode(
        text="told:N", opacity=alt.condition("datum.is_complete", alt.value(1), alt.value(0.5))
    )
    charts.show((cells + told).properties(height=alt.Step(30)), height=None)
    st.caption(
        "Percent of those whose first order was in the month (and how many they are) who ordered again so many months"
        " later. Pale: the month is not over at the as-of moment."
    )
    layout.download(cohorts, "retention")
