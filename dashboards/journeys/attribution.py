"""Orders and revenue by channel, as each of the five models shares them out."""

from datetime import date

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.layout import words
from dashboards.wording import percent

TABLE = "reporting.rpt_attribution"
SHARES = """
    select model, channel, sum(orders) as orders, cast(sum(revenue_eur) as double) as revenue_eur
    from reporting.rpt_attribution
    where month_date >= ?
    group by model, channel
    order by channel, model
"""
# the last is the one that weighs all journeys; a mark for each
MODELS = {
    "first_touch": "triangle-left",
    "last_touch": "triangle-right",
    "linear": "square",
    "time_decay": "diamond",
    "data_driven": "circle",
}
MEASURES = {"orders": "Orders", "revenue_eur": "Revenue"}


def show(since: date) -> None:
    """The models side by side, for orders since a day."""
    st.subheader("What brought the orders", anchor=False)
    if not data.has_table(TABLE):
        layout.missing("There are no orders.", "Extract a source of orders, then `kinship run`.")
        return
    shares = data.frame(SHARES, since)
    if shares.empty:
        layout.missing("There are no orders in this time.", "Look back further.")
        return
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        format_func=MEASURES.__getitem__,
        default="orders",
        required=True,
        key="measure",
        label_visibility="collapsed",
    )
    known = shares[shares["channel"] != "unattributed"]
    if known.empty:
        layout.missing(
            "No order has a touch before it.", "Visits and clicks in messages are touches (docs/journey.md)."
        )
    else:
        _chart(known, measure)
    st.caption(
        f"{percent(_unknown(shares, measure))} of the {MEASURES[measure].lower()} has no known touch before it, and is"
        " not in the chart. No model is an experiment: they share out what happened, and cannot tell what would have"
        " happened anyway."
    )
    side_by_side = shares.pivot_table(index="channel", columns="model", values=measure, fill_value=0.0)
    side_by_side = side_by_side.reindex(columns=list(MODELS)).sort_values("data_driven", ascending=False).reset_index()
    written = "localized" if measure == "orders" else "euro"
    st.dataframe(
        side_by_side.assign(channel=side_by_side["channel"].map(words)).round(1 if measure == "orders" else 0),
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            "channel": "Channel",
            **{model: st.column_config.NumberColumn(words(model), format=written) for model in MODELS},
        },
    )
    layout.download(side_by_side, f"attribution_{measure}")


def _unknown(shares: pd.DataFrame, measure: str) -> float:
    """The share that no model gives to a channel; it is the same in all."""
    one = shares[shares["model"] == "linear"]
    total = float(one[measure].sum())
    return float(one.loc[one["channel"] == "unattributed", measure].sum()) / total if total else 0.0


def _chart(known: pd.DataFrame, measure: str) -> None:
    told = known.assign(channel=known["channel"].map(words), model=known["model"].map(words))
    models = [words(model) for model in MODELS]
    best = told[told["model"] == models[-1]].sort_values(measure, ascending=False)["channel"].to_list()
    order = [*best, *sorted(set(told["channel"]) - set(best))]
    title = "Orders" if measure == "orders" else "Revenue, €"
    base = alt.Chart(told).encode(
        y=alt.Y("channel:N", sort=order, title=None, axis=alt.Axis(grid=True, labelFlush=False))
    )
    span = base.mark_rule(strokeWidth=3, opacity=0.4, color=tones.PLAIN).encode(
        x=alt.X(f"min({measure}):Q", title=title), x2=f"max({measure}):Q"
    )
    legend = alt.Legend(orient="bottom", title=None, columns=3)
    shapes = alt.Scale(domain=models, range=list(MODELS.values()))
    colours = alt.Scale(domain=models, range=[tones.PLAIN] * (len(models) - 1) + [tones.GOOD])
    marks = base.mark_point(size=80, strokeWidth=1.8, opacity=1).encode(
        x=alt.X(f"{measure}:Q", title=title, axis=alt.Axis(format="~s", tickCount=5)),
        shape=alt.Shape("model:N", sort=models, scale=shapes, legend=legend),
        color=alt.Color("model:N", sort=models, scale=colours, legend=legend),
        fill=alt.condition(f"datum.model == '{models[-1]}'", alt.value(tones.GOOD), alt.value("transparent")),
        tooltip=[
            alt.Tooltip("channel:N", title="Channel"),
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip(f"{measure}:Q", title=title, format=",.1f"),
        ],
    )
    charts.show((span + marks).properties(height=alt.Step(34)), height=None)
