"""Where people go: from one stage of life to the next, through the shop to an order, and by what they came."""

import streamlit as st

from dashboards import data, layout
from dashboards.journeys import attribution, funnel, lifecycle, paths
from dashboards.wording import month_before

# how far to look back, in calendar months, the one of the as-of moment included
PERIODS = {"1 month": 1, "3 months": 3, "12 months": 12, "All": 1200}

layout.header("Journeys", "Where people go, where they stop, and what brings them to an order.")
period = st.segmented_control(
    "Look back", list(PERIODS), default="3 months", required=True, key="period", bind="query-params"
)
since = month_before(data.publication().as_of, PERIODS[period] - 1)
lifecycle.show(since)
funnel.show(since)
paths.show()
attribution.show(since)
