"""How the company does: growth, value, who stays, and what a customer may cost."""

import streamlit as st

from dashboards import data, layout, metrics
from dashboards.overview import cost, growth, headlines, retention

GRAINS = {"Months": "month", "Weeks": "week"}

layout.header("Overview", "Growth, value, who stays, and what a customer may cost. Amounts in euro, net of refunds.")
if data.has_table(metrics.TABLE):
    chosen = st.segmented_control(
        "By", list(GRAINS), default="Months", required=True, key="by", label_visibility="collapsed", bind="query-params"
    )
    grain = GRAINS[chosen]
    periods = metrics.periods(grain, [*headlines.LABELS, "returned_customers", "lost_customers"])
    if periods.empty:
        layout.missing(f"No {grain} with figures is over yet.")
    else:
        headlines.show(periods, grain)
        growth.growth(periods, grain)
        growth.value(periods, grain)
else:
    layout.missing("MetricFlow's figures are not published.", "`kinship run` works them out (models/metrics).")
retention.show()
cost.show()
