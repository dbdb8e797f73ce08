"""MetricFlow's figures (models/metrics), as the publication has them: no page works one out by itself."""

from datetime import date, datetime, timedelta

import pandas as pd

from dashboards import data
from dashboards.wording import count, euros, percent

TABLE = "metrics.metric_values"
# The as-of moment is that of the last thing anyone did, which comes a little before a period's end.
STILL_WHOLE = timedelta(hours=6)

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
ABOUT = "select name, description, unit from metrics.metrics order by name"


def periods(grain: str, wanted: list[str]) -> pd.DataFrame:
    """One row per month or week that is over, by its first day; a column per wanted metric, NaN without a figure."""
    values = data.frame(SERIES, grain)
    values = values[values["metric_name"].isin(wanted)]
    table = values.pivot(index="period_start", columns="metric_name", values="metric_value").reindex(columns=wanted)
    as_of = data.publication().as_of
    return table[[is_whole(start, grain, as_of) for start in table.index]]


def totals(dimension: str | None = None) -> pd.DataFrame:
    """Figures of all time, or of today where a metric says so: metric_name, of_what, metric_value.

    `of_what` is a value of the dimension, or `all` without one.
    """
    return data.frame(TOTALS, dimension)


def about() -> dict[str, tuple[str, str]]:
    """What each metric says, and its unit, by its name."""
    told = data.frame(ABOUT)
    return {str(name): (str(said), str(unit)) for name, said, unit in told.itertuples(index=False)}


def written(value: float, unit: str) -> str:
    """A figure in its unit: eur, share, or a number of something."""
    return {"eur": euros, "share": percent}.get(unit, count)(value)


def is_whole(start: date, grain: str, as_of: datetime) -> bool:
    """Whether everything in the period had happened at the as-of moment."""
    end = pd.Timestamp(start) + (pd.DateOffset(months=1) if grain == "month" else pd.DateOffset(weeks=1))
    return bool(pd.Timestamp(as_of).tz_localize(None) + STILL_WHOLE >= end)


def named(start: date, grain: str) -> str:
    """A period in words."""
    return f"{start:%B %Y}" if grain == "month" else f"week of {start:%-d %B %Y}"
