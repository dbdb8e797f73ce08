"""How far visits come, and where they end."""

from datetime import date
from itertools import pairwise

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.layout import words
from dashboards.words import number, share

TABLE = "reporting.rpt_funnel"
FUNNEL = """
    select
        channel,
        cast(sum(visits) as bigint) as visits,
        cast(sum(product_views) as bigint) as product_views,
        cast(sum(carts) as bigint) as carts,
        cast(sum(checkouts) as bigint) as checkouts,
        cast(sum(orders) as bigint) as orders
    from reporting.rpt_funnel
    where week_date >= ?
    group by channel
    order by visits desc, channel
"""
STEPS = {
    "visits": "Visit",
    "product_views": "Product viewed",
    "carts": "Put in cart",
    "checkouts": "Checkout begun",
    "orders": "Ordered",
}


def show(since: date) -> None:
    """The funnel of visits in weeks since a day: of all, of one channel, and the channels beside each other."""
    st.subheader("From visit to order", anchor=False)
    if not data.has_table(TABLE):
        layout.missing("There are no visits.", "Extract a source of web or app events (docs/sources.md).")
        return
    by_channel = data.frame(FUNNEL, since)
    if by_channel.empty:
        layout.missing("Nobody visited in this time.", "Look back further.")
        return
    channel = st.selectbox("Visits that came by", ["all", *by_channel["channel"]], format_func=_named, key="channel")
    found = steps(by_channel if channel == "all" else by_channel[by_channel["channel"] == channel])
    _chart(found)
    lost = found.loc[[found["lost"].to_numpy().argmax()]].to_dict("records")[0]
    if lost["lost"]:
        st.caption(
            f"Most are lost after **{lost['step'].lower()}**: {number(lost['lost'])} of {number(lost['visits'])} visits"
            f" ({share(lost['lost'] / lost['visits'])}) go no further. A step counts after the one before it in the"
            " same visit; an order follows within `funnel_order_days` (docs/journey.md)."
        )
    _table(by_channel)
    layout.download(by_channel, "funnel")


def _named(channel: str) -> str:
    return "All channels" if channel == "all" else words(channel)


def steps(chosen: pd.DataFrame) -> pd.DataFrame:
    """One row per step: visits that came so far, as a share of all and of the step before, and how many end there."""
    visits = [int(chosen[step].sum()) for step in STEPS]
    rates = [None, *(now / before if before else None for before, now in pairwise(visits))]
    return pd.DataFrame(
        {
            "step": list(STEPS.values()),
            "visits": visits,
            "share": [n / visits[0] if visits[0] else 0.0 for n in visits],
            "of_step_before": pd.Series(rates, dtype=float),
            "lost": [*(before - now for before, now in pairwise(visits)), 0],
            "told": [
                f"{n:,}" if rate is None else f"{n:,} · {rate:.1%} of the step before"
                for n, rate in zip(visits, rates, strict=True)
            ],
        }
    )


def _chart(found: pd.DataFrame) -> None:
    base = alt.Chart(found).encode(
        y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, labelFlush=False))
    )
    bars = base.mark_bar(cornerRadiusEnd=2, height=20, yOffset=-8).encode(
        x=alt.X("visits:Q", title="Visits", axis=alt.Axis(tickCount=4, format="~s"), scale=alt.Scale(nice=False)),
        tooltip=[
            alt.Tooltip("step:N", title="Step"),
            alt.Tooltip("visits:Q", title="Visits", format=","),
            alt.Tooltip("share:Q", title="Of all visits", format=".1%"),
            alt.Tooltip("of_step_before:Q", title="Of the step before", format=".1%"),
            alt.Tooltip("lost:Q", title="Went no further", format=","),
        ],
    )
    told = base.mark_text(align="left", dy=12, dx=2, fontSize=12, color=tones.ink())
    charts.show((bars + told.encode(x=alt.datum(0), text="told:N")).properties(height=alt.Step(54)), height=None)


def _table(by_channel: pd.DataFrame) -> None:
    """Each step in percent of the one before, by channel."""
    shown = by_channel[["channel", "visits"]].assign(channel=by_channel["channel"].map(words))
    for before, step in pairwise(STEPS):
        shown[step] = (100 * by_channel[step] / by_channel[before]).where(by_channel[before] > 0)
    shown["whole"] = (100 * by_channel["orders"] / by_channel["visits"]).where(by_channel["visits"] > 0)
    column = st.column_config.NumberColumn
    rates = {step: column(STEPS[step], format="%.1f%%", help="Of the step before.") for step in list(STEPS)[1:]}
    st.dataframe(
        shown,
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            "channel": "Channel",
            "visits": column("Visits", format="localized"),
            **rates,
            "whole": column("Visit to order", format="%.1f%%"),
        },
    )
