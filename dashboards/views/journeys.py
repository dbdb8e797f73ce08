"""Where people go: from one stage of life to the next, through the shop to an order, and by what they came."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, tones
from dashboards.sankey import sankey
from dashboards.wording import count, percent, words

STAGES = ["new", "visitor", "lead", "first_order", "active", "won_back", "at_risk", "lapsed"]
TONES = dict.fromkeys(["first_order", "active", "won_back"], tones.GOOD) | dict.fromkeys(["at_risk", "lapsed"], tones.WARN)
STEPS = {
    "visits": "Visit",
    "product_views": "Product viewed",
    "carts": "Put in cart",
    "checkouts": "Checkout begun",
    "orders": "Ordered",
}
MODELS = ["first_touch", "last_touch", "linear", "time_decay", "data_driven"]
# how far to look back, in calendar months, the one of the as-of moment included
PERIODS = {"1 month": 1, "3 months": 3, "12 months": 12, "All": 1200}

# the month that many months back from that of the as-of moment
SINCE = "date_trunc('month', cast(? as timestamp)) - to_months(cast(? as integer) - 1)"

MOVES = f"""
    select from_stage as from_state, to_stage as to_state, cast(sum(people) as bigint) as people
    from reporting.rpt_lifecycle_transitions
    where month_date >= {SINCE} and (? or from_stage <> 'new')
    group by from_stage, to_stage
    order by people desc, from_stage, to_stage
"""
FUNNEL = f"""
    select channel, {', '.join(f'cast(sum({step}) as bigint) as {step}' for step in STEPS)}
    from reporting.rpt_funnel
    where week_date >= {SINCE}
    group by channel
    order by visits desc, channel
"""
PATHS = """
    select path_rank, path, orders, order_share, shortened_orders
    from reporting.rpt_paths
    where path_kind = ?
    order by path_rank
    limit 15
"""
ATTRIBUTION = f"""
    select model, channel, sum(orders) as orders, cast(sum(revenue_eur) as double) as revenue_eur
    from reporting.rpt_attribution
    where month_date >= {SINCE}
    group by model, channel
    order by channel, model
"""


def lifecycle(months: int) -> None:
    """Moves between the stages of the life cycle."""
    st.subheader("From stage to stage", anchor=False)
    if not data.has_table("reporting.rpt_lifecycle_transitions"):
        layout.missing("Nobody has been seen yet.", "Extract a source, then `kinship run`.")
        return
    with_new = st.toggle("With people seen for the first time", key="with_new")
    moves = data.frame(MOVES, data.publication().as_of, months, with_new)
    if moves.empty:
        layout.missing("Nobody moved in this time.", "Look back further.")
        return
    sankey(moves, STAGES, {stage: words(stage) for stage in STAGES}, TONES)
    st.caption(
        "Each band is people who left the stage on the left for the one on the right. Blue goes to those who buy, orange to those who"
        " stay away: at risk 60 days after the last order, lapsed after 120 (unless the house says otherwise)."
    )
    layout.download(moves, "lifecycle_moves")


def funnel(months: int) -> None:
    """How far visits come, and where they end."""
    st.subheader("From visit to order", anchor=False)
    if not data.has_table("reporting.rpt_funnel"):
        layout.missing("There are no visits.", "Connect a source of web or app events (docs/sources.md), then `kinship run`.")
        return
    by_channel = data.frame(FUNNEL, data.publication().as_of, months)
    if by_channel.empty:
        layout.missing("Nobody visited in this time.", "Look back further.")
        return
    channel = st.selectbox(
        "Visits that came by",
        ["all", *by_channel["channel"]],
        format_func=lambda name: "All channels" if name == "all" else words(name),
        key="channel",
        bind="query-params",
    )
    chosen = by_channel if channel == "all" else by_channel[by_channel["channel"] == channel]
    steps = _steps(chosen)
    _funnel_chart(steps)
    lost = steps.loc[steps["lost"].idxmax()]
    if lost["lost"] > 0:
        st.caption(
            f"Most are lost after **{lost['step'].lower()}**: {count(lost['lost'])} of {count(lost['visits'])} visits go no further"
            f" ({percent(lost['lost'] / lost['visits'])}). A step counts after the one before it in the same visit; an order follows within 7 days."
        )
    st.dataframe(
        _conversions(by_channel),
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            "channel": "Channel",
            "visits": st.column_config.NumberColumn("Visits", format="localized"),
            **{
                name: st.column_config.NumberColumn(title, format="percent", help="Of the visits that came to the step before")
                for name, title in list(STEPS.items())[1:]
            },
            "conversion": st.column_config.NumberColumn("Visit to order", format="percent"),
        },
    )
    layout.download(by_channel, "funnel")


def _steps(chosen: pd.DataFrame) -> pd.DataFrame:
    """One row per step: visits that came so far, their share of all, of the step before, and how many went no further."""
    visits = chosen[list(STEPS)].sum()
    steps = pd.DataFrame({"step": list(STEPS.values()), "visits": visits.to_list()})
    steps["share"] = steps["visits"] / max(int(visits.iloc[0]), 1)
    steps["of_step_before"] = (steps["visits"] / steps["visits"].shift()).where(steps["visits"].shift() > 0)
    steps["lost"] = (steps["visits"] - steps["visits"].shift(-1)).fillna(0).astype(int)
    steps["told"] = [
        f"{visits:,}" if pd.isna(rate) else f"{visits:,} · {rate:.1%} of the step before"
        for visits, rate in zip(steps["visits"], steps["of_step_before"], strict=True)
    ]
    return steps


def _funnel_chart(steps: pd.DataFrame) -> None:
    base = alt.Chart(steps).encode(y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False)))
    total = int(steps["visits"].iloc[0])
    bars = base.mark_bar(cornerRadiusEnd=2, height=20, yOffset=-8).encode(
        x=alt.X("visits:Q", title="Visits", scale=alt.Scale(domain=[0, total]), axis=alt.Axis(tickCount=4, format="~s")),
        tooltip=[
            alt.Tooltip("step:N", title="Step"),
            alt.Tooltip("visits:Q", title="Visits", format=","),
            alt.Tooltip("share:Q", title="Of all visits", format=".1%"),
            alt.Tooltip("of_step_before:Q", title="Of the step before", format=".1%"),
            alt.Tooltip("lost:Q", title="Went no further", format=","),
        ],
    )
    told = base.mark_text(align="left", dy=12, dx=2, fontSize=12, color=tones.ink()).encode(x=alt.datum(0), text="told:N")
    charts.show((bars + told).properties(height=alt.Step(54)), height=None)


def _conversions(by_channel: pd.DataFrame) -> pd.DataFrame:
    """One row per channel: each step as a share of the one before."""
    steps = list(STEPS)
    shares = by_channel[["channel", "visits"]].assign(channel=by_channel["channel"].map(words))
    for before, step in zip(steps, steps[1:], strict=False):
        shares[step] = (by_channel[step] / by_channel[before]).where(by_channel[before] > 0)
    shares["conversion"] = (by_channel["orders"] / by_channel["visits"]).where(by_channel["visits"] > 0)
    return shares


def paths() -> None:
    """The most frequent ways to an order."""
    st.subheader("Ways to an order", anchor=False)
    kinds = {"channel": "By what they came", "event_type": "What they did"}
    kind = st.segmented_control(
        "Ways", list(kinds), format_func=kinds.__getitem__, default="channel", required=True, label_visibility="collapsed", key="ways"
    )
    found = data.frame(PATHS, kind)
    if found.empty:
        layout.missing("No order has a way that is known.", "Orders of people with visits or clicks before them show here.")
        return
    found["path"] = [" → ".join(words(step) for step in path.split(" > ")) for path in found["path"]]
    st.dataframe(
        found,
        hide_index=True,
        height="content",
        column_order=["orders", "order_share", "path"],
        column_config={
            "path": st.column_config.TextColumn("Way"),
            "orders": st.column_config.NumberColumn("Orders", format="localized", width="small"),
            "order_share": st.column_config.ProgressColumn(
                "Share", format="percent", min_value=0.0, max_value=float(found["order_share"].max())
            ),
        },
    )
    st.caption("The fifteen most frequent, of all time. What repeats is one step; of a longer way its last six steps are told.")
    layout.download(found, f"paths_{kind}")


def attribution(months: int) -> None:
    """Orders and revenue by channel, as each of the five models shares them out."""
    st.subheader("What brought the orders", anchor=False)
    shares = data.frame(ATTRIBUTION, data.publication().as_of, months)
    if shares.empty:
        layout.missing("There are no orders in this time.", "Look back further, or extract a source of orders.")
        return
    measure = st.segmented_control(
        "Measure", ["orders", "revenue_eur"], format_func={"orders": "Orders", "revenue_eur": "Revenue"}.__getitem__,
        default="orders", required=True, label_visibility="collapsed", key="measure",
    )  # fmt: skip
    known = shares[shares["channel"] != "unattributed"]
    if known.empty:
        layout.missing("No order has a touch before it.", "Web visits and clicks in messages are touches (docs/journey.md).")
    else:
        _attribution_chart(known, measure)
    one = shares[shares["model"] == MODELS[0]]
    unknown = one.loc[one["channel"] == "unattributed", measure].sum() / max(one[measure].sum(), 1e-9)
    st.caption(
        f"{percent(unknown)} of the {'orders' if measure == 'orders' else 'revenue'} has no known touch before it and is not in the chart."
        " None of the models is an experiment: they share out what happened, and cannot tell what would have happened anyway."
    )
    side_by_side = shares.pivot_table(index="channel", columns="model", values=measure, fill_value=0.0).reindex(columns=MODELS)
    side_by_side = side_by_side.sort_values("data_driven", ascending=False).reset_index()
    shown = side_by_side.assign(channel=side_by_side["channel"].map(words))
    number = "localized" if measure == "orders" else "euro"
    st.dataframe(
        shown.round(0 if measure == "revenue_eur" else 1),
        hide_index=True,
        height="content",
        column_config={"channel": "Channel"}
        | {model: st.column_config.NumberColumn(words(model), format=number) for model in MODELS},
    )
    layout.download(side_by_side, f"attribution_{measure}")


def _attribution_chart(known: pd.DataFrame, measure: str) -> None:
    told = known.assign(channel=known["channel"].map(words), model=known["model"].map(words))
    models = [words(model) for model in MODELS]
    order = told[told["model"] == models[-1]].sort_values(measure, ascending=False)["channel"].to_list()
    order += sorted(set(told["channel"]) - set(order))
    title = "Orders" if measure == "orders" else "Revenue, €"
    base = alt.Chart(told).encode(y=alt.Y("channel:N", sort=order, title=None, axis=alt.Axis(grid=True)))
    x = alt.X(f"{measure}:Q", title=title, axis=alt.Axis(format="~s", tickCount=5))
    span = base.mark_rule(strokeWidth=3, opacity=0.4, color=tones.PLAIN).encode(x=alt.X(f"min({measure}):Q", title=title), x2=f"max({measure}):Q")
    dots = base.mark_point(size=80, strokeWidth=1.8).encode(
        x=x,
        shape=alt.Shape("model:N", sort=models, scale=alt.Scale(domain=models, range=["triangle-left", "triangle-right", "square", "diamond", "circle"])),
        color=alt.Color("model:N", sort=models, scale=alt.Scale(domain=models, range=[tones.PLAIN] * 4 + [tones.GOOD])),
        fill=alt.condition(alt.datum.model == models[-1], alt.value(tones.GOOD), alt.value("transparent")),
        tooltip=[alt.Tooltip("channel:N", title="Channel"), alt.Tooltip("model:N", title="Model"), alt.Tooltip(f"{measure}:Q", title=title, format=",.1f")],
    )
    legend = alt.Legend(orient="bottom", title=None, columns=3)
    dots = dots.encode(shape=dots.encoding.shape.legend(legend), color=dots.encoding.color.legend(legend))
    charts.show((span + dots).properties(height=alt.Step(34)), height=None)


layout.header("Journeys", "Where people go, where they stop, and what brings them to an order.")
period = st.segmented_control("Look back", list(PERIODS), default="3 months", required=True, key="period", bind="query-params")
lifecycle(PERIODS[period])
funnel(PERIODS[period])
paths()
attribution(PERIODS[period])
