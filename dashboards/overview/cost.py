"""What customers cost by channel, beside what is expected of them: how much may we pay for a customer like this?"""

import math

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboards import charts, data, layout, metrics, tones
from dashboards.layout import words
from dashboards.wording import count, euros

TABLE = "reporting.rpt_customer_value_by_channel"
KINDS = """
    select country_code, first_category, customers
    from reporting.rpt_customer_value_by_channel
    where channel = 'all' and (country_code = 'all' or first_category = 'all')
    order by customers desc, country_code <> 'all', country_code, first_category <> 'all', first_category
"""
VALUE = """
    select
        channel,
        customers,
        cast(cost_per_customer_eur as double) as cost_eur,
        cast(expected_value_12_months_eur as double) as value_eur,
        cast(expected_value_p25_eur as double) as value_p25_eur,
        cast(expected_value_p50_eur as double) as value_p50_eur,
        cast(expected_value_p75_eur as double) as value_p75_eur
    from reporting.rpt_customer_value_by_channel
    where country_code = ? and first_category = ?
    order by channel = 'all' desc, customers desc, channel
"""
WHY_NOT = "select reason from predictions.model_runs where model = 'expected_value' and not is_published"


def show() -> None:
    """Cost and value of the customers of one country and category, by channel."""
    st.subheader("What may a customer cost?", anchor=False)
    if not data.has_table(TABLE):
        layout.missing("Nobody has ordered yet.", "Extract a source with orders, then `kinship run`.")
        return
    kinds = data.frame(KINDS)
    country_place, category_place, margin_place = st.columns(3)
    country = country_place.selectbox(
        "Country", _options(kinds, "country_code", "first_category"), key="country", format_func=_named
    )
    category = category_place.selectbox(
        "First bought", _options(kinds, "first_category", "country_code"), key="category", format_func=_named
    )
    margin = margin_place.number_input(
        "Your margin, %", 1, 100, 100, key="margin", help="What is expected is revenue: one may cost your margin on it."
    )
    found = data.frame(VALUE, country, category)
    if country == category == "all":
        found = _with_metrics(found)
    found["may_cost_eur"] = found["value_eur"] * margin / 100
    if found.empty:
        layout.missing("No customer of this country first bought that.", "Choose All in one of the two.")
        return
    if found["cost_eur"].isna().all():
        layout.missing("There is no advertising cost.", "Extract the source `ads` to see what customers cost.")
    if found["value_eur"].isna().all():
        layout.missing("No expected value is published.", _why_not())
    else:
        _sentence(found, margin)
        _chart(found, margin / 100)
    _table(found)
    layout.download(found, "cost_and_value_by_channel")


def _options(kinds: pd.DataFrame, column: str, other: str) -> list[str]:
    """What there is of one column, `all` first, then by customers."""
    return [str(kind) for kind in kinds.loc[kinds[other] == "all", column]]


def _named(kind: str) -> str:
    return "All" if kind == "all" else kind if len(kind) == 2 else words(kind)


def _with_metrics(found: pd.DataFrame) -> pd.DataFrame:
    """With MetricFlow's cost and expected value, which are told by channel and no finer."""
    told = pd.concat([metrics.totals(), metrics.totals("acquisition_channel")])
    by_channel = told.pivot(index="of_what", columns="metric_name", values="metric_value")
    wanted = by_channel.reindex(index=found["channel"], columns=["acquisition_cost", "expected_value"])
    return found.assign(cost_eur=wanted["acquisition_cost"].to_numpy(), value_eur=wanted["expected_value"].to_numpy())


def _why_not() -> str:
    if not data.has_table("predictions.model_runs"):
        return "`kinship run` predicts it."
    runs = data.frame(WHY_NOT)
    return "" if runs.empty else f"The last model was not good enough: {layout.plain(runs['reason'].iloc[0])}."


def _sentence(found: pd.DataFrame, margin: int) -> None:
    one = found.to_dict("records")[0]
    cost = "" if math.isnan(one["cost_eur"]) else f" They cost {euros(one['cost_eur'])} each."
    st.markdown(
        f"{count(one['customers'])} customers like this are expected to spend **{euros(one['value_eur'])}** each in the"
        f" next 12 months; half of them {euros(one['value_p50_eur'])} or less. At a margin of {margin} % one may cost"
        f" up to **{euros(one['may_cost_eur'])}**.{cost}"
    )


def _chart(found: pd.DataFrame, margin: float) -> None:
    money = {
        "value_eur": "Worth (mean), €",
        "value_p25_eur": "A quarter up to, €",
        "value_p50_eur": "Half up to, €",
        "value_p75_eur": "Three quarters up to, €",
    }
    # a logarithm has no place for nothing
    worth = {name: np.maximum(found[name] * margin, 0.01) for name in money}
    shown = found.assign(channel=found["channel"].map(words), **worth)
    base = alt.Chart(shown).encode(
        y=alt.Y("channel:N", sort=None, title=None, axis=alt.Axis(labelFlush=False)),
        tooltip=[
            alt.Tooltip("channel:N", title="Came by"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("cost_eur:Q", title="Cost each, €", format=",.2f"),
            *(alt.Tooltip(f"{name}:Q", title=title, format=",.2f") for name, title in money.items()),
        ],
    )
    kinds = alt.Scale(
        domain=["Cost each", "Worth, middle half", "Worth, mean"], range=[tones.WARN, tones.SOFT, tones.GOOD]
    )
    legend = alt.Legend(orient="bottom", columns=2, symbolType="circle")
    colour = alt.Color("kind:N", title=None, scale=kinds, legend=legend)
    axis = alt.Axis(format="~s", values=[10**power for power in range(-2, 9)])
    x = alt.X(
        "value_p25_eur:Q", title="€ per customer (logarithmic)", scale=alt.Scale(type="log", nice=False), axis=axis
    )

    def part(kind: str) -> alt.Chart:
        return base.transform_calculate(kind=f"'{kind}'").encode(color=colour)

    middle = part("Worth, middle half").mark_bar(height=10, cornerRadius=5).encode(x=x, x2="value_p75_eur:Q")
    mean = part("Worth, mean").mark_circle(size=90, opacity=1).encode(x="value_eur:Q")
    paid = part("Cost each").mark_circle(size=90, opacity=1).encode(x="cost_eur:Q")
    charts.show((middle + mean + paid).properties(height=alt.Step(32)), height=None)


def _table(found: pd.DataFrame) -> None:
    column = st.column_config.NumberColumn
    st.dataframe(
        found.assign(channel=found["channel"].map(words)),
        hide_index=True,
        height="content",
        placeholder="–",
        column_order=["channel", "customers", "cost_eur", "value_eur", "value_p50_eur", "may_cost_eur"],
        column_config={
            "channel": "Came by",
            "customers": column("Customers", format="localized"),
            "cost_eur": column("Cost each", format="euro", help="Advertising cost / customers since it is paid for."),
            "value_eur": column("Expected value", format="euro", help="Mean, in the next 12 months."),
            "value_p50_eur": column("Half up to", format="euro", help="Half of them will spend this or less."),
            "may_cost_eur": column("May cost", format="euro", help="Your margin on it: no gain, no loss."),
        },
    )  # fmt: skip
