"""The figures of one period, each against the period before."""

import math

import pandas as pd
import streamlit as st

from dashboards import metrics
from dashboards.wording import euros

# In the order in which people ask; so short that two fit beside each other on a phone.
LABELS = {
    "active_customers": "Active customers",
    "new_customers": "New customers",
    "net_revenue": "Net revenue",
    "average_order_value": "Average order",
    "repeat_rate": "Repeat rate",
    "churn_rate": "Churn rate",
    "acquisition_cost": "Acquisition cost",
}
BETTER_LOWER = {"churn_rate", "acquisition_cost"}


def show(periods: pd.DataFrame, grain: str) -> None:
    """The figures of the period that the viewer chooses, at first the last that is over."""
    chosen = st.selectbox(
        "Period",
        list(periods.index[::-1]),
        format_func=lambda start: metrics.named(start, grain),
        key=f"{grain}_shown",
        width=260,
    )
    until = periods[:chosen]
    about = metrics.about()
    rows = [st.container(horizontal=True), st.container(horizontal=True)]
    for place, (name, label) in enumerate(LABELS.items()):
        said, unit = about[name]
        values = until[name].to_list()
        told = change(values, unit)
        rows[place // 4].metric(
            label,
            metrics.written(values[-1], unit),
            delta=told or "nothing before",
            delta_color="off" if told is None else "inverse" if name in BETTER_LOWER else "normal",
            delta_arrow="off" if told is None else "auto",
            help=said,
            border=True,
        )
    totals = metrics.totals().set_index("metric_name")["metric_value"]
    expected = float(totals.get("expected_value", math.nan))
    rows[-1].metric(
        "Expected value",
        euros(expected),
        delta="not published" if math.isnan(expected) else "in 12 months",
        delta_color="off",
        delta_arrow="off",
        help=about["expected_value"][0],
        border=True,
    )
    if len(until) > 1:
        st.caption(f"Changes are on {metrics.named(until.index[-2], grain)}; of shares in percentage points (pp).")


def change(values: list[float], unit: str) -> str | None:
    """The last value against the one before: shares in percentage points, else in percent. None where none is told."""
    if len(values) < 2:
        return None
    before, now = values[-2:]
    if math.isnan(before) or math.isnan(now) or (before == 0 and unit != "share"):
        return None
    if unit == "share":
        return f"{(now - before) * 100:+.1f} pp"
    rise = now / before - 1
    return f"{rise:+.1%}" if abs(rise) < 10 else f"{rise:+,.0%}"
