"""Growth and value over time."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, layout, tones

MOVES = {"new_customers": "New", "returned_customers": "Returned", "lost_customers": "Lost"}
# a year, and the same period of the year before
SHOWN = {"month": 13, "week": 53}
HEIGHT = 240


def growth(periods: pd.DataFrame, grain: str) -> None:
    """Active customers, and who came and went."""
    st.subheader("Growth", anchor=False)
    shown = _labelled(periods, grain)
    active, moved = st.columns(2)
    with active:
        _by_period(shown, "active_customers", "Active customers", "~s", is_line=True)
    with moved:
        _moves(shown)
    st.caption(
        "Active: ordered within the last `churn_days` (docs/metrics.md). Lost: not any more."
        " Active before + new + returned - lost = active now."
    )
    layout.download(periods.reset_index(), f"figures_by_{grain}")


def value(periods: pd.DataFrame, grain: str) -> None:
    """Revenue, the average order, and who buys again."""
    st.subheader("Value", anchor=False)
    shown = _labelled(periods, grain)
    revenue, order, repeat = st.columns(3)
    with revenue:
        _by_period(shown, "net_revenue", "Net revenue, €", "~s")
    with order:
        _by_period(shown, "average_order_value", "Average order, €", "~s", is_line=True)
    with repeat:
        _by_period(shown, "repeat_rate", "Buyers who had bought before", ".0%", is_line=True)


def _labelled(periods: pd.DataFrame, grain: str) -> pd.DataFrame:
    """The last periods, with a column `period` for an axis."""
    shown = periods.tail(SHOWN[grain])
    written = "%b %y" if grain == "month" else "%-d %b %y"
    return shown.assign(period=[start.strftime(written) for start in shown.index])


def _period_axis() -> alt.X:
    return alt.X("period:O", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False))


def _by_period(shown: pd.DataFrame, metric: str, title: str, unit: str, *, is_line: bool = False) -> None:
    chart = alt.Chart(shown[["period", metric]])
    marked: alt.Chart = (
        chart.mark_line(point=alt.OverlayMarkDef(size=24)) if is_line else chart.mark_bar(cornerRadiusEnd=2)
    )
    exact = ".1%" if "%" in unit else ",.2f" if "€" in title else ",.0f"
    charts.show(
        marked.encode(
            x=_period_axis(),
            y=alt.Y(f"{metric}:Q", title=title, axis=alt.Axis(format=unit, tickCount=5), scale=alt.Scale(zero=True)),
            tooltip=[alt.Tooltip("period:O", title="Period"), alt.Tooltip(f"{metric}:Q", title=title, format=exact)],
        ),
        height=HEIGHT,
    )


def _moves(shown: pd.DataFrame) -> None:
    moves = shown.assign(lost_customers=-shown["lost_customers"]).melt("period", list(MOVES), "kind", "people")
    moves["kind"] = moves["kind"].map(MOVES)
    colours = alt.Scale(domain=list(MOVES.values()), range=[tones.GOOD, tones.SOFT, tones.WARN])
    charts.show(
        alt.Chart(moves)
        .mark_bar()
        .encode(
            x=_period_axis(),
            y=alt.Y("people:Q", title="Came and went", axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color("kind:N", title=None, scale=colours, legend=alt.Legend(orient="bottom")),
            tooltip=[
                alt.Tooltip("period:O", title="Period"),
                alt.Tooltip("kind:N", title="Customers"),
                alt.Tooltip("people:Q", title="People", format=",.0f"),
            ],
        ),
        # the legend stands below
        height=HEIGHT + 40,
    )
