"""How the company does: growth, value, who stays, and what a customer may cost."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, metrics, tones
from dashboards.wording import count, euros, percent, words

# in the order in which people ask, as short as two fit beside each other on a phone; what each is, its description says
HEADLINES = {
    "active_customers": "Active customers",
    "new_customers": "New customers",
    "net_revenue": "Net revenue",
    "average_order_value": "Average order",
    "repeat_rate": "Repeat rate",
    "churn_rate": "Churn rate",
    "acquisition_cost": "Acquisition cost",
}
BETTER_LOWER = {"churn_rate", "acquisition_cost"}
MOVES = {"new_customers": "New", "returned_customers": "Returned", "lost_customers": "Lost"}
GRAINS = {"Months": "month", "Weeks": "week"}
# a year, and the same period of the year before
SHOWN = {"month": 13, "week": 53}

RETENTION = """
    select cohort_month_date, months_since, people, active_people, active_share, is_complete
    from reporting.rpt_retention
    where cohort_month_date >= date_trunc('month', cast(? as timestamp)) - to_months(12) and months_since > 0
    order by cohort_month_date, months_since
"""
KINDS = """
    select country_code, first_category, customers
    from reporting.rpt_customer_value_by_channel
    where channel = 'all' and (country_code = 'all' or first_category = 'all')
    order by customers desc, country_code, first_category
"""
VALUE = """
    select
        channel,
        customers,
        cast(cost_per_customer_eur as double) as cost_per_customer_eur,
        cast(expected_value_12_months_eur as double) as expected_value_eur,
        cast(expected_value_p25_eur as double) as expected_value_p25_eur,
        cast(expected_value_p50_eur as double) as expected_value_p50_eur,
        cast(expected_value_p75_eur as double) as expected_value_p75_eur
    from reporting.rpt_customer_value_by_channel
    where country_code = ? and first_category = ?
    order by channel = 'all' desc, customers desc, channel
"""
WHY_NOT = "select reason from predictions.model_runs where model = 'expected_value' and not is_published"


def headlines(periods: pd.DataFrame, grain: str) -> None:
    """The figures of one period, each against the period before."""
    chosen = st.selectbox(
        "Period", list(periods.index[::-1]), format_func=lambda start: metrics.named(start, grain), key=f"{grain}_shown", width=260
    )
    until = periods[:chosen]
    about = metrics.about()
    rows = [st.container(horizontal=True), st.container(horizontal=True)]
    for place, (name, label) in enumerate(HEADLINES.items()):
        unit = about.loc[name, "unit"]
        change = _change(until[name], unit)
        rows[place // 4].metric(
            label,
            metrics.written(until[name].iloc[-1], unit),
            delta=change or "nothing before",
            delta_color="off" if change is None else "inverse" if name in BETTER_LOWER else "normal",
            delta_arrow="off" if change is None else "auto",
            help=about.loc[name, "description"],
            border=True,
        )
    expected = metrics.totals().set_index("metric_name")["metric_value"].get("expected_value", float("nan"))
    rows[-1].metric(
        "Expected value",
        euros(expected),
        delta="not published" if pd.isna(expected) else "in 12 months",
        delta_color="off",
        delta_arrow="off",
        help=about.loc["expected_value", "description"],
        border=True,
    )
    if len(until) > 1:
        st.caption(f"Changes are on {metrics.named(until.index[-2], grain)}; of shares in percentage points (pp).")


def _change(values: pd.Series, unit: str) -> str | None:
    """The last value's change on the one before: of shares in percentage points, else in percent. None where none can be told."""
    if len(values) < 2 or values.iloc[-2:].isna().any() or (values.iloc[-2] == 0 and unit != "share"):
        return None
    before, now = values.iloc[-2:]
    return f"{(now - before) * 100:+.1f} pp" if unit == "share" else f"{now / before - 1:+.1%}"


def growth(periods: pd.DataFrame, grain: str) -> None:
    """Active customers, and who came and went."""
    st.subheader("Growth", anchor=False)
    shown = _labelled(periods.tail(SHOWN[grain]), grain)
    active, moved = st.columns(2)
    with active:
        _by_period(shown, "active_customers", "Active customers", "~s", is_line=True)
    moves = shown.assign(lost_customers=-shown["lost_customers"]).melt("period", list(MOVES), "kind", "people")
    moves["kind"] = moves["kind"].map(MOVES)
    colours = alt.Scale(domain=list(MOVES.values()), range=[tones.GOOD, tones.SOFT, tones.WARN])
    with moved:
        charts.show(
            alt.Chart(moves)
            .mark_bar()
            .encode(
                x=_period_axis(),
                y=alt.Y("people:Q", title="Customers who came and went", axis=alt.Axis(format="~s", tickCount=5)),
                color=alt.Color("kind:N", title=None, scale=colours, legend=alt.Legend(orient="bottom")),
                tooltip=["period:O", "kind:N", alt.Tooltip("people:Q", format=",")],
            )
        )
    st.caption(
        "Active: ordered within the last 90 days. Active before + new + returned - lost = active now. Lost: the last order is 90 days old."
    )
    layout.download(periods.reset_index(), f"figures_by_{grain}")


def value(periods: pd.DataFrame, grain: str) -> None:
    """Revenue, the average order, and who buys again."""
    st.subheader("Value", anchor=False)
    shown = _labelled(periods.tail(SHOWN[grain]), grain)
    revenue, order, repeat = st.columns(3)
    with revenue:
        _by_period(shown, "net_revenue", "Net revenue, €", "~s")
    with order:
        _by_period(shown, "average_order_value", "Average order, €", ",.0f", is_line=True)
    with repeat:
        _by_period(shown, "repeat_rate", "Buyers who had bought before", ".0%", is_line=True)


def _labelled(periods: pd.DataFrame, grain: str) -> pd.DataFrame:
    """With a column `period` for an axis."""
    return periods.assign(period=[f"{start:%b %y}" if grain == "month" else f"{start:%-d %b %y}" for start in periods.index])


def _period_axis() -> alt.X:
    return alt.X("period:O", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False))


def _by_period(shown: pd.DataFrame, metric: str, title: str, unit: str, *, is_line: bool = False) -> None:
    chart = alt.Chart(shown[["period", metric]])
    marked = chart.mark_line(point=alt.OverlayMarkDef(size=24)) if is_line else chart.mark_bar(cornerRadiusEnd=2)
    exact = ".1%" if "%" in unit else ",.2f" if "€" in title else ","
    charts.show(
        marked.encode(
            x=_period_axis(),
            y=alt.Y(f"{metric}:Q", title=title, axis=alt.Axis(format=unit, tickCount=5), scale=alt.Scale(zero=True)),
            tooltip=["period:O", alt.Tooltip(f"{metric}:Q", title=title, format=exact)],
        ),
        height=240,
    )


def retention() -> None:
    """Of those who first ordered in a month, how many ordered again so many months later."""
    st.subheader("Who stays", anchor=False)
    cohorts = data.frame(RETENTION, data.publication().as_of)
    if cohorts.empty:
        layout.missing("Nobody's first order is a month old yet.", "Who stays shows from the second month with orders on.")
        return
    shown = cohorts.assign(
        cohort=[f"{month:%b %y} · {people:,}" for month, people in zip(cohorts["cohort_month_date"], cohorts["people"], strict=True)],
        told=[f"{share * 100:.0f}" for share in cohorts["active_share"]],
    )
    base = alt.Chart(shown).encode(
        x=alt.X("months_since:O", title="Months since the first order", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("cohort:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False)),
    )
    cells = base.mark_rect(color=tones.GOOD, cornerRadius=3).encode(
        opacity=alt.Opacity("active_share:Q", legend=None, scale=alt.Scale(domain=[0, shown["active_share"].max()], range=[0.04, 0.8])),
        tooltip=[
            alt.Tooltip("cohort:N", title="First order in · people"),
            alt.Tooltip("months_since:O", title="Months since"),
            alt.Tooltip("active_people:Q", title="Ordered", format=","),
            alt.Tooltip("active_share:Q", title="Share", format=".1%"),
            alt.Tooltip("is_complete:N", title="Month is over"),
        ],
    )
    told = base.mark_text(fontSize=12, color=tones.ink()).encode(
        text="told:N", opacity=alt.condition(alt.datum.is_complete, alt.value(1), alt.value(0.5))
    )
    charts.show((cells + told).properties(height=alt.Step(30)), height=None)
    st.caption(
        "Percent of those whose first order was in the month (with how many they are) who ordered again so many months later. Pale: the month is"
        " not over at the as-of moment."
    )
    layout.download(cohorts, "retention")


def cost() -> None:
    """What customers cost by channel, beside what is expected of them."""
    st.subheader("What may a customer cost?", anchor=False)
    if not data.has_table("reporting.rpt_customer_value_by_channel"):
        layout.missing("Nobody has ordered yet.", "Extract a source with orders, then `kinship run`.")
        return
    kinds = data.frame(KINDS)
    country, category, margin = st.columns(3)
    chosen_country = country.selectbox(
        "Country", kinds.loc[kinds["first_category"] == "all", "country_code"], key="country", format_func=_all_first, bind="query-params"
    )
    chosen_category = category.selectbox(
        "First bought", kinds.loc[kinds["country_code"] == "all", "first_category"], key="category", format_func=_all_first, bind="query-params"
    )
    share = margin.number_input(
        "Your margin, %", 1, 100, 100, key="margin", help="What is expected is revenue: a customer may cost your margin on it."
    )
    found = data.frame(VALUE, chosen_country, chosen_category)
    if chosen_country == chosen_category == "all":
        found = _of_metrics(found)
    if found["cost_per_customer_eur"].isna().all():
        layout.missing("There is no advertising cost.", "Extract source `ads` (docs/sources.md) to see what customers cost.")
    if found["expected_value_eur"].isna().all():
        reason = data.frame(WHY_NOT) if data.has_table("predictions.model_runs") else pd.DataFrame()
        layout.missing(
            "No expected value is published.",
            f"The last model was not good enough: {reason['reason'].iloc[0]} (docs/predictions.md)." if len(reason) else "`kinship run` predicts it.",
        )
    else:
        found["may_cost_eur"] = found["expected_value_eur"] * share / 100
        _cost_sentence(found, share)
        _cost_chart(found, share / 100)
    _cost_table(found)
    layout.download(found, "cost_and_value_by_channel")


def _all_first(value: str) -> str:
    return "All" if value == "all" else value if len(value) == 2 else words(value)


def _of_metrics(found: pd.DataFrame) -> pd.DataFrame:
    """Cost and expected value as MetricFlow has them, which tells them by channel and no finer."""
    told = pd.concat([metrics.totals(), metrics.totals("acquisition_channel")])
    told = told.pivot(index="of_what", columns="metric_name", values="metric_value").reindex(found["channel"])
    return found.assign(
        cost_per_customer_eur=told.get("acquisition_cost", pd.Series(index=told.index)).to_numpy(dtype=float),
        expected_value_eur=told.get("expected_value", pd.Series(index=told.index)).to_numpy(dtype=float),
    )


def _cost_sentence(found: pd.DataFrame, share: int) -> None:
    one = found.iloc[0]
    cost = "" if pd.isna(one["cost_per_customer_eur"]) else f" They cost {euros(one['cost_per_customer_eur'])} each."
    st.markdown(
        f"{count(one['customers'])} customers like this are expected to spend **{euros(one['expected_value_eur'])}** each in the next 12 months;"
        f" half of them {euros(one['expected_value_p50_eur'])} or less. At a margin of {share} % one may cost up to **{euros(one['may_cost_eur'])}**.{cost}"
    )


def _cost_chart(found: pd.DataFrame, margin: float) -> None:
    money = ["expected_value_eur", "expected_value_p25_eur", "expected_value_p50_eur", "expected_value_p75_eur"]
    shown = found.assign(channel=found["channel"].map(words), **{name: found[name] * margin for name in money})
    # a logarithm has no place for nothing
    shown[money] = shown[money].clip(lower=0.01)
    axis = alt.Axis(format="~s", values=[10**power for power in range(-2, 9)])
    base = alt.Chart(shown).encode(
        y=alt.Y("channel:N", sort=None, title=None),
        tooltip=[
            alt.Tooltip("channel:N", title="Channel"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("cost_per_customer_eur:Q", title="Cost each, €", format=",.2f"),
            *(alt.Tooltip(f"{name}:Q", title=title, format=",.2f") for name, title in zip(money, ["Worth (mean), €", "A quarter up to, €", "Half up to, €", "Three quarters up to, €"], strict=True)),
        ],
    )
    kinds = alt.Scale(domain=["Cost each", "Worth, middle half", "Worth, mean"], range=[tones.WARN, tones.SOFT, tones.GOOD])
    colour = alt.Color("kind:N", title=None, scale=kinds, legend=alt.Legend(orient="bottom", columns=2, symbolType="circle"))
    scale = alt.Scale(type="log", nice=False)
    x = alt.X("expected_value_p25_eur:Q", title="€ per customer (logarithmic)", scale=scale, axis=axis)

    def part(kind: str) -> alt.Chart:
        return base.transform_calculate(kind=f"'{kind}'").encode(color=colour)

    middle = part("Worth, middle half").mark_bar(height=10, cornerRadius=5).encode(x=x, x2="expected_value_p75_eur:Q")
    mean = part("Worth, mean").mark_circle(size=90, opacity=1).encode(x="expected_value_eur:Q")
    paid = part("Cost each").mark_circle(size=90, opacity=1).encode(x="cost_per_customer_eur:Q")
    charts.show((middle + mean + paid).properties(height=alt.Step(32)), height=None)


def _cost_table(found: pd.DataFrame) -> None:
    euro = {"format": "euro"}
    st.dataframe(
        found.assign(channel=found["channel"].map(words)),
        hide_index=True,
        height="content",
        placeholder="–",
        column_order=["channel", "customers", "cost_per_customer_eur", "expected_value_eur", "expected_value_p50_eur", "may_cost_eur"],
        column_config={
            "channel": "Came by",
            "customers": st.column_config.NumberColumn("Customers", format="localized"),
            "cost_per_customer_eur": st.column_config.NumberColumn("Cost each", help="Advertising cost / customers since it is paid for.", **euro),
            "expected_value_eur": st.column_config.NumberColumn("Expected value", help="Mean, in the next 12 months.", **euro),
            "expected_value_p50_eur": st.column_config.NumberColumn("Half up to", help="Half of them are expected to spend this or less.", **euro),
            "may_cost_eur": st.column_config.NumberColumn("May cost", help="Your margin on the expected value: what is broken even at.", **euro),
        },
    )


layout.header("Overview", "Growth, value, who stays, and what a customer may cost. Amounts in euro, net of refunds.")
if data.has_table(metrics.TABLE):
    grain = GRAINS[st.segmented_control("By", list(GRAINS), default="Months", required=True, key="by", label_visibility="collapsed", bind="query-params")]
    periods = metrics.periods(grain, [*HEADLINES, "returned_customers", "lost_customers"])
    if periods.empty:
        layout.missing(f"No {grain} with figures is over yet.")
    else:
        headlines(periods, grain)
        growth(periods, grain)
        value(periods, grain)
else:
    layout.missing("MetricFlow's figures are not published.", "`kinship run` works them out (models/metrics).")
retention()
cost()
