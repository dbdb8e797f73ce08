"""How figures are written on the pages of insights."""

import math
from datetime import date, datetime


def count(value: float) -> str:
    """A number of people or things; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:,.0f}"


def euros(value: float) -> str:
    """An amount in euro, to the cent below a thousand, in millions from one on; a dash for NaN."""
    if math.isnan(value):
        return "–"
    size = abs(value)
    text = f"{size / 1e6:,.2f}M" if size >= 1e6 else f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}"
    return f"{'-' if value < 0 else ''}€{text}"


def percent(value: float) -> str:
    """A share (0 to 1) in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.1%}"


def month_before(moment: datetime, months: int) -> date:
    """The first day of the month so many months before that of a moment."""
    place = moment.year * 12 + moment.month - 1 - months
    return date(max(place // 12, 1), place % 12 + 1, 1)
