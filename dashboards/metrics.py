"""MetricFlow's figures (models/metrics), as the publication has them: no page works one out by itself."""

from datetime import date, datetime, timedelta

import pandas as pd

from dashboards import data
from dashboards.wording import count, euros, percent

TABLE = "metrics.metric_values"
# The as-of moment is that of the last thing anyone did, which comes a little before a period's end.
STILL_WHOLE = timedelta(hours=6)
WRITTEN = {"eur": euros, "share": percent}

SERIES = """
    select metric_name, period_start, metric_value
    from metrics.metric_values
    where grain = ? and dimension is null
    order by period_start
"""
TOTALS = """
    select metric_name, coalesce(dimension_value, 'all') as of_what, metric_value
    from metrics.metric_values
    where grain = 'total' and dimension is not distinct from ?
"""
ABOUT = "select name, label, description, unit from metrics.metrics order by name"


def periods(grain: str, wanted: list[str]) -> pd.DataFrame:
    """One row per month or week that is over, by its first day, and a column per wanted metric; NaN where there is no figure."""
    values = data.frame(SERIES, grain)
    table = values[values["metric_name"].isin(wanted)].pivot(index="period_start", columns="metric_name", values="metric_value")
    as_of = data.publication().as_of
    return table[[is_whole(start, grain, as_of) for start in table.index]].reindex(columns=wanted)


def totals(dimension: str | None = None) -> pd.DataFrame:
    """Figures of all time, or as of today where a metric says so: metric_name, of_what (a value of the dimension, or `all`), metric_value."""
    return data.frame(TOTALS, dimension)


def about() -> pd.DataFrame:
    """What each metric is called and says, and its unit: one row per metric, by its name."""
    return data.frame(ABOUT).set_index("name")


def written(value: float, unit: str) -> str:
    """A figure in its unit: eur, share, or a number of something."""
    return WRITTEN.get(unit, count)(value)


def is_whole(start: date, grain: str, as_of: datetime) -> bool:
    """Whether everything in the period had happened at the as-of moment."""
    end = pd.Timestamp(start) + (pd.DateOffset(months=1) if grain == "month" else pd.DateOffset(weeks=1))
    return bool(pd.Timestamp(as_of).tz_localize(None) + STILL_WHOLE >= end)


def named(start: date, grain: str) -> str:
    """A period in words."""
    return f"{start:%B %Y}" if grain == "month" else f"week of {start:%-d %B %Y}"
